"""What a record looks like to a person: tables and plots. Reads records and summaries only."""
