"""DARTS: two cells of a directed graph."""
