"""Estimators that combine the scores of others."""
