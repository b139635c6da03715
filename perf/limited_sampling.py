"""How fast, and in how much memory, are architectures drawn and counted that keep within limits?

    python perf/limited_sampling.py --count 100000

Each case runs in a process of its own: the memory told is by how much its peak rises while architectures are drawn,
their costs counted, and the different ones counted by a set of hashes, which takes most of it. The last limit of a
space is 1.05 times its least cost, where rejection alone finds nothing.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

from archsieve import SPACES, TASKS
from archsieve.spaces.limits import Limits
from archsieve.spaces.within import Within

CASES = [
    ("attentivenas", {}, "macs", 980e6),
    ("attentivenas", {}, "macs", 600e6),
    ("attentivenas", {}, "macs", 300e6),
    ("attentivenas", {}, "macs", None),
    ("topformer", {"family": "base"}, "published_flops", 1.8e9),
    ("topformer", {"family": "small"}, "published_flops", 1.2e9),
    ("topformer", {"family": "tiny"}, "published_flops", 0.6e9),
    ("topformer", {"family": "tiny"}, "published_flops", None),
]
TENTH = {7}  # cases of which a tenth is drawn
TASK_OF = {"attentivenas": ("synthetic", {"shape": (3, 224, 224), "num_outputs": 1000}), "topformer": ("ade20k", {})}


def measure(case: int, count: int) -> None:
    """Draw, count and print one line."""
    name, settings, cost, most = CASES[case]
    space = SPACES[name](**settings)
    task_name, task_settings = TASK_OF[name]
    task = TASKS[task_name](**task_settings)
    count_cost = getattr(space, cost)
    if most is None:
        most = 1.05 * count_cost(space.extremes[0], task)
    rng = np.random.default_rng(0)
    plain = np.mean([count_cost(space.sample(rng), task) <= most for _ in range(2000)])
    within = Within(space, task, Limits(**{f"max_{cost}": most}))
    seen, greatest = set(), 0
    within.sample(rng)
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    for _ in range(count):
        arch = within.sample(rng)
        greatest = max(greatest, within.sizes(arch)[cost])
        seen.add(hash(arch))
    seconds = time.process_time() - begun
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    label = " ".join([name, *settings.values()])
    print(
        f"{label:18} {cost} <= {most:13,.0f}: {plain:7.2%} of plain draws within; {count:,} drawn in {seconds:6.1f} s, "
        f"{len(seen):,} different, at most {greatest:,}; {before / 1024:.0f} MB and {grown:.0f} MB more",
        flush=True,
    )


def main() -> None:
    """Run every case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="architectures of each case")
    parser.add_argument("--case", type=int, help="this case alone, in this process")
    chosen = parser.parse_args()
    if chosen.case is not None:
        measure(chosen.case, chosen.count // 10 if chosen.case in TENTH else chosen.count)
        return
    for case in range(len(CASES)):
        subprocess.run([sys.executable, __file__, "--case", str(case), "--count", str(chosen.count)], check=True)


if __name__ == "__main__":
    main()
