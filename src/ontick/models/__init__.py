"""Text in, one choice out: language models that know no task."""
