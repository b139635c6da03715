"""Spaces inside a user's own model: decisions asked for in a constructor, or arguments of a function that vary."""
