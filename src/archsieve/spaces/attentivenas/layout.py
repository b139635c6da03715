"""The layout of AttentiveNAS that space and network share."""

HEAD_EXPANSION = 6
"""Channels before the global pooling by channels of the last stage."""
