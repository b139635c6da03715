"""Spaces inside a user's own model: decisions made in a constructor, or varied arguments of a function."""
