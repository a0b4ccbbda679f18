"""How is a recorded flight shown again? Reads records; knows no server and no report."""
