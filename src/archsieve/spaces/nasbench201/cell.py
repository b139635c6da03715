"""The cell of NAS-Bench-201: which operations there are, and which nodes the edges join."""

NONE, SKIP, CONV1, CONV3, POOL = range(5)
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, target) of each decision."""
KERNELS = {CONV1: 1, CONV3: 3}
