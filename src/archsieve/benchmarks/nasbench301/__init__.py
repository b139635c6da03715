"""NAS-Bench-301: models that predict the accuracy of DARTS networks."""
