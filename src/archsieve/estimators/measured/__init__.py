"""Estimators that measure: latency, memory, or a number that the user's program prints."""
