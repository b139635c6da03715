"""NAS-Bench-101: cells that are graphs of up to seven vertices, and the three subsets of NAS-Bench-1Shot1."""
