"""Counting parameters and multiply-adds of any network, and reporting operations that could not be counted."""

from archsieve.networks.counting.activations import count_activation_bytes
from archsieve.networks.counting.counter import Count, count, examined
from archsieve.networks.counting.sizes import (
    Sizes,
    count_auxiliary_params,
    count_flops,
    count_macs,
    count_params,
    sizes_of,
)

__all__ = [
    "Count",
    "Sizes",
    "count",
    "count_activation_bytes",
    "count_auxiliary_params",
    "count_flops",
    "count_macs",
    "count_params",
    "examined",
    "sizes_of",
]
