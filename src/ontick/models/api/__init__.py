"""A model behind an OpenAI-compatible API, and the line to it."""
