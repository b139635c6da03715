"""TransNAS-Bench-101: cells of six edges in a fixed skeleton, and skeletons of residual blocks (arXiv 2105.11871)."""
