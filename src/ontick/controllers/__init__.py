"""Policies that take their time: scripted ones, language models, and wrappers around either."""
