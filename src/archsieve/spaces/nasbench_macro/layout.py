"""The layers of NAS-Bench-Macro: kernel and expansion of each option except the identity."""

IDENTITY = 0
KERNELS = {1: 3, 2: 5}
EXPANSIONS = {1: 3, 2: 6}
