"""Spaces with recorded values only: archsieve does not build their networks."""
