"""NAS-Bench-201: one cell of six edges."""
