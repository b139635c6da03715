"""Runs: a folder of stored scores, and the scoring of what is missing."""
