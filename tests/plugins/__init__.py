"""Helpers of the tests, and plugin files for the command line."""
