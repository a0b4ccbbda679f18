"""How does a task without a forward model get one? From its flights: ``ontick train TASK dynamics``."""
