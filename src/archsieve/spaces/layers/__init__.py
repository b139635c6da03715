"""Layers and networks that several spaces are made of."""
