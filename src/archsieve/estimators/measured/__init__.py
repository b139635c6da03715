"""Estimators that measure: how long networks take, how much memory, or what a program of the user's says of them."""
