"""The cell of NAS-Bench-201: its operations, and the nodes that its edges connect."""

from archsieve.spaces.layers.edges import EDGES as EDGES

NONE, SKIP, CONV1, CONV3, POOL = range(5)
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
KERNELS = {CONV1: 1, CONV3: 3}

SIZED_CELL = (CONV3, CONV3, CONV3, SKIP, CONV3, CONV3)
"""The operations of the one cell of NATS-Bench's size space, by edge."""
CHANNELS = tuple(range(8, 65, 8))
"""The options of each of its decisions: 8, 16, ..., 64."""
REDUCES = (False, True, False, True, False)
"""Which of its five parts halves the picture: a residual block; the others are cells."""
