"""How does a policy learn from a teacher? Demonstrations, cloning them, and asking the teacher again (DAgger)."""
