"""A run: one folder, what is known in it, and how the rest is scored."""
