"""Trains a small network by the recipe of DARTS on true labels and on shuffled ones: does the training teach anything?

    python studies/retraining.py --out runs/retraining

The cell is the one that the funnel of "Good Performance Estimation strategies are All You Need in NAS" (TPAMI 2025)
found in the space of DARTS; the network, the data and the epochs are cut down to what a core does in minutes. It can
be stopped and started again. docs/retraining.md is written from what the folders of the runs hold.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from archsieve.files import replace_file
from archsieve.final_training import Start, run_training
from archsieve.randomness import generator
from archsieve.recipe_files import training_of
from archsieve.tasks.cifar import CIFAR10
from archsieve.tasks.images import Images
from archsieve.training_log import read_metrics

PAGE = Path(__file__).parents[1] / "docs" / "retraining.md"
CELL = "0-2-3-2-5-4-5-3-3-5-3-3-0-3-3-2-1-5-0-1-3-0-0-0"
CHANGES = ("epochs=8", "batch_size=32", "space.width=8", "space.layers=5")
ITEMS, TESTS = 2000, 1000
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class FewImages(CIFAR10):
    """A part of CIFAR-10: the first 2,000 training images of a fixed order, and the first 1,000 to test on.

    Attributes:
        is_shuffled: whether the labels to train on are permuted; those to test on are true.
    """

    is_shuffled: bool = False

    name: ClassVar[str] = "few-images-of-cifar10"

    def load(self) -> Images:
        """Return the pictures."""
        whole = super().load()
        kept = generator(0, "sample", "few images").permutation(len(whole.train_labels))[:ITEMS]
        labels = whole.train_labels[kept]
        if self.is_shuffled:
            labels = generator(0, "sample", "shuffled labels").permutation(labels)
        return Images(whole.train_images[kept], labels, whole.test_images[:TESTS], whole.test_labels[:TESTS])

    def totals(self) -> tuple[int, int]:
        """Return how many pictures there are."""
        return ITEMS, TESTS


def mean_and_deviation(values) -> str:
    """Return both as text; the deviation is that of the sample."""
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"


def main() -> None:
    """Train all, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/retraining"))
    folder = parser.parse_args().out
    torch.set_num_threads(1)
    plain = training_of("darts", "darts-cifar10", changes=CHANGES)
    code = plain.space.parse(CELL)
    found = {}
    for seed in SEEDS:
        for is_shuffled in (False, True):
            training = replace(plain, task=FewImages(0.0, cutout=16, is_shuffled=is_shuffled))
            place = folder / f"{'shuffled' if is_shuffled else 'true'}-{seed}"
            result = run_training(
                training,
                code,
                place,
                start=Start(seed),
                show=lambda row, place=place: print(f"{time.strftime('%H:%M:%S')} {place.name} {row}", flush=True),
            )
            found[is_shuffled, seed] = (result, read_metrics(place))
    write_page(found, plain)


def write_page(found, plain) -> None:
    """Write the tables."""
    results = {key: result for key, (result, _) in found.items()}
    any_result = results[False, SEEDS[0]]
    tests = {s: [results[s, seed].test for seed in SEEDS] for s in (False, True)}
    bound = 100 * math.sqrt(0.1 * 0.9 / TESTS)
    recipe = plain.recipe
    lines = [
        "# Does the training teach a network anything?",
        "",
        f"Made by `studies/retraining.py`: the recipe `darts-cifar10` at a small scale, the space darts with "
        f"{plain.space.width} channels and {plain.space.layers} cells, {any_result.params:,} parameters with the "
        f"auxiliary head and {any_result.macs:,} MACs, the cell `{CELL}`. It is trained {recipe.horizon} epochs in "
        f"batches of {recipe.batch_size} on {ITEMS:,} images of CIFAR-10 (a copy in JPEG), with crops, flips, cutout, "
        f"drop path and the auxiliary loss as in the recipe, and tested on {TESTS:,} other images with their true "
        "labels, after the last epoch.",
        "",
        "| labels trained on | " + " | ".join(f"seed {seed}" for seed in SEEDS) + " | mean ± deviation |",
        "|---|" + "---|" * (len(SEEDS) + 1),
    ]
    for is_shuffled, name in ((False, "true"), (True, "shuffled")):
        row = " | ".join(f"{value:.2f}" for value in tests[is_shuffled])
        lines.append(f"| {name} | {row} | {mean_and_deviation(tests[is_shuffled])} |")
    seconds = sum(result.seconds for result in results.values())
    lines += [
        "",
        f"Accuracy in percent. A guess is right in 10 %, give or take {bound:.1f} (one standard deviation over {TESTS:,} images). "
        "What the true labels give beyond the shuffled ones is what the training teaches; at this scale it says nothing "
        "of the accuracy that the full recipe reaches.",
        "",
        "Epoch by epoch, the mean of the seeds:",
        "",
        "| epoch | learning rate | loss, true | test, true | loss, shuffled | test, shuffled |",
        "|---|---|---|---|---|---|",
    ]
    for epoch in range(recipe.horizon):
        cells = []
        for is_shuffled in (False, True):
            rows = [found[is_shuffled, seed][1][epoch] for seed in SEEDS]
            cells += [f"{np.mean([r.loss for r in rows]):.3f}", f"{np.mean([r.test for r in rows]):.2f}"]
        lines.append(f"| {epoch + 1} | {recipe.rate(epoch):.4f} | {' | '.join(cells)} |")
    lines += [
        "",
        "The loss is the training loss, the auxiliary one at its weight of 0.4 included: ln 10 of each, "
        f"{1.4 * math.log(10):.3f}, is what knowing nothing costs. All {len(results)} trainings took "
        f"{seconds / 60:.1f} minutes of one core of a busy machine. Not run on a GPU.",
        "",
    ]
    with replace_file(PAGE) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
