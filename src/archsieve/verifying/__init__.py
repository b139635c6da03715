"""Figures computed again from their cards: what made them, and whether it makes them still."""
