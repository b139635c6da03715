"""Trains the embedded benchmark: every one of 729 small networks completely, by several seeds, every epoch recorded.

    python studies/make_digits_benchmark.py --out runs/digits --seeds 4

It can be stopped and started again: what is in the folder is not trained again. About 45 minutes of one core a seed.
The regime separates networks: 300 training pictures, 500 for validation, the other 997 for the truth. The first half
of the seeds, rounded up, are those of the truth (mean test accuracy after the last epoch); the others are those of the
learning curves that stand in for partial training, so that no estimator has seen the truth's noise.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path

from archsieve import SPACES, TASKS
from archsieve.executor import Processes
from archsieve.networks import build_network
from archsieve.space import enumerate_space
from archsieve.training import Recipe, evaluate, train

SPACE = SPACES["nasbench-macro"](stem_width=8, widths=(8, 16, 32), stages=(2, 2, 2), head_width=64)
TASK = TASKS["digits"](test_images=997, validation_fraction=0.625)
EPOCHS = 20
RECIPE = Recipe(horizon=EPOCHS, learning_rate=0.1, weight_decay=5e-4)
FIRST_SEED = 101  # far from those users search with


def curves(seed, arch):
    """Return one row: accuracies in percent after every epoch, by split, and the seconds it took."""
    begun = time.perf_counter()
    network = build_network(SPACE, arch, TASK, seed)
    found = {"validation": [], "test": []}

    def look(_epoch):
        network.eval()
        for split, values in found.items():
            values.append(evaluate(network, TASK, split, batch_size=1024))
        network.train()

    train(network, TASK, RECIPE, epochs=EPOCHS, seed=seed, on_epoch=look)
    return {"seed": seed, "arch": list(arch), **found, "seconds": round(time.perf_counter() - begun, 3)}


def rows_of(file):
    """Return what a run has written; a last line cut short is no row."""
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    archs = sorted(enumerate_space(SPACE))
    with Processes(chosen.workers) as executor:
        for seed in range(FIRST_SEED, FIRST_SEED + chosen.seeds):
            file = chosen.out / f"{seed}.jsonl"
            rows = rows_of(file)
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
            known = {tuple(row["arch"]) for row in rows}
            with file.open("a") as out:
                for row in executor.map(partial(curves, seed), [a for a in archs if a not in known]):
                    out.write(json.dumps(row) + "\n")
                    out.flush()
            print(f"seed {seed}: {len(rows_of(file))} of {len(archs)}", flush=True)


if __name__ == "__main__":
    main()
