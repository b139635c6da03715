"""The edges of a cell of four nodes, as NAS-Bench-201 and TransNAS-Bench-101 number them."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, target) of each decision."""
