"""A GGUF file as a language model, run by llama.cpp on this machine's processor."""
