"""Recomputation of recorded figures from their cards."""
