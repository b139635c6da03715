"""Spaces of which only recorded values are known: archsieve does not build their networks."""
