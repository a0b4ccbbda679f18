"""How is a language model taught a task? By fine-tuning it on the one token that says the action."""
