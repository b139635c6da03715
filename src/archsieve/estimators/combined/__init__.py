"""Estimators that combine the scores of other estimators."""
