"""Trains the embedded benchmark: every one of 729 small networks completely, by several seeds, every epoch recorded.

    python studies/make_digits_benchmark.py --out runs/digits

It can be stopped and started again: what is in the folder is not trained again. About 17 minutes of one core a seed.
The regime separates networks: 300 training pictures, 500 for validation, the other 997 for the truth. The first
three seeds are those of the truth (mean test accuracy after the last epoch); the other two are those of the learning
curves that stand in for partial training, so that no estimator has seen the truth's noise.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path

import numpy as np

from archsieve import TASKS
from archsieve._files import replace_file
from archsieve.benchmarks.digits import CURVES, EPOCHS, FILE, SPACE, TEST_IMAGES, TRUTHS, VALIDATION_IMAGES
from archsieve.networks.building import build_network
from archsieve.runs.executors import Processes
from archsieve.runs.provenance import processor, provenance
from archsieve.sources import sha256_of
from archsieve.spaces.contract import enumerate_space
from archsieve.tasks.evaluation import evaluate
from archsieve.training.loop import train
from archsieve.training.recipe import Recipe
from archsieve.verifying.trainings import FIRST_SEED

TASK = TASKS["digits"](test_images=TEST_IMAGES, validation_fraction=0.625)
RECIPE = Recipe(horizon=EPOCHS, learning_rate=0.1, weight_decay=5e-4)
PACKAGE = Path(__file__).parents[1] / "src" / "archsieve" / "benchmarks"


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


def write(out, archs):
    """Write the counts of right answers, and say how reliable the truth is."""
    runs = [
        {tuple(row["arch"]): row for row in rows_of(out / f"{FIRST_SEED + i}.jsonl")} for i in range(TRUTHS + CURVES)
    ]
    counts = {
        split: np.rint(np.array([[run[arch][split] for arch in archs] for run in runs]) * items / 100).astype(np.int16)
        for split, items in (("validation", VALIDATION_IMAGES), ("test", TEST_IMAGES))
    }
    np.savez_compressed(PACKAGE / FILE, codes=np.array(archs, dtype=np.int8), **counts)
    card = {
        "kind": "trainings",
        "title": "729 small networks trained completely on handwritten digits by five seeds",
        "command": f"python studies/make_digits_benchmark.py --out {out}",
        "seed": FIRST_SEED,
        "versions": provenance().versions,
        "processor": processor(),
        "sha256": sha256_of(PACKAGE / FILE),
    }
    (PACKAGE / FILE).with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    last = counts["test"][:, :, -1]
    between = np.corrcoef(last)[np.triu_indices(len(last), 1)].mean()
    reliability = TRUTHS * between / (1 + (TRUTHS - 1) * between)
    seconds = sum(row["seconds"] for run in runs for row in run.values())
    print(f"{(PACKAGE / FILE).stat().st_size} bytes, {seconds / 3600:.2f} hours of one core")
    print(f"mean correlation of two seeds {between:.4f}, of the truth with another like it {reliability:.4f}")


def main() -> None:
    """Train what is missing, and write the package's file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    archs = sorted(enumerate_space(SPACE))
    with Processes(chosen.workers) as executor:
        for seed in range(FIRST_SEED, FIRST_SEED + TRUTHS + CURVES):
            file = chosen.out / f"{seed}.jsonl"
            rows = rows_of(file)
            if file.exists() and not file.read_text().endswith("\n"):  # a line cut short
                with replace_file(file) as whole:
                    whole.write_text("".join(json.dumps(row) + "\n" for row in rows))
            known = {tuple(row["arch"]) for row in rows}
            with file.open("a") as out:
                for row in executor.map(partial(curves, seed), [a for a in archs if a not in known]):
                    out.write(json.dumps(row) + "\n")
                    out.flush()
            print(f"seed {seed}: {len(rows_of(file))} of {len(archs)}", flush=True)
    write(chosen.out, archs)


if __name__ == "__main__":
    main()
