"""NAS-Bench-Macro: a chain of inverted residuals."""
