"""The layout of AttentiveNAS, shared by space and network."""

HEAD_EXPANSION = 6
"""Channels before the global pooling by channels of the last stage."""
