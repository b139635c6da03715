"""Layers and networks used by several spaces."""
