"""Hugging Face weights as a language model, run by transformers on a processor or a GPU."""
