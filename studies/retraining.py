"""Trains a small network by the recipe of DARTS on true labels and on shuffled ones: does the training teach anything?

    python studies/retraining.py --out runs/retraining

The cell is the one that the funnel of "Good Performance Estimation strategies are All You Need in NAS" (TPAMI 2025)
found in the space of DARTS; the network, the data and the epochs are cut down to what a core does in minutes. It can
be stopped and started again. docs/retraining.md is written from what the folders of the runs hold.
"""

from __future__ import annotations

import argparse
import math
import textwrap
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from archsieve._files import replace_file
from archsieve.networks.building import build_network
from archsieve.networks.counting import sizes_of
from archsieve.networks.weights import load_weights
from archsieve.randomness import generator
from archsieve.retraining.log import read_metrics
from archsieve.retraining.recipe_files import training_of
from archsieve.retraining.run import Start, run_training
from archsieve.tasks.cifar import CIFAR10
from archsieve.tasks.data.images import Images

PAGE = Path(__file__).parents[1] / "docs" / "retraining.md"
CELL = "0-2-3-2-5-4-5-3-3-5-3-3-0-3-3-2-1-5-0-1-3-0-0-0"
CHANGES = ("epochs=8", "batch_size=32", "space.width=8", "space.layers=5")
ITEMS, TESTS = 2000, 1000
SEEDS = (0, 1, 2)
LABELS = ("true", "shuffled")


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


def main() -> None:
    """Train all, and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/retraining"))
    parser.add_argument("--page", action="store_true", help="write the page from what is there, and train nothing")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    plain = training_of("darts", "darts-cifar10", changes=CHANGES)
    write_page(chosen.out, plain)
    if chosen.page:
        return
    for seed in SEEDS:
        for labels in LABELS:
            task = FewImages(0.0, cutout=16, is_shuffled=labels == "shuffled")
            place = chosen.out / f"{labels}-{seed}"
            run_training(
                replace(plain, task=task),
                plain.space.parse(CELL),
                place,
                start=Start(seed),
                show=lambda row, place=place: print(f"{time.strftime('%H:%M:%S')} {place.name} {row}", flush=True),
            )
            write_page(chosen.out, plain)


def paragraph(*parts: str) -> str:
    """Return the parts as one paragraph in lines of the usual length."""
    return textwrap.fill(" ".join(parts), 110, break_long_words=False, break_on_hyphens=False)


def kept_labels() -> float:
    """Return the percentage of images to train on whose shuffled label is the true one."""
    true, shuffled = (FewImages(0.0, is_shuffled=shuffled).load().train_labels for shuffled in (False, True))
    return 100 * float(np.mean(true == shuffled))


def favourite(folder: Path, plain) -> float:
    """Return the percentage of test images that a trained network gives to the class it gives most."""
    task = FewImages(0.0)
    network = build_network(plain.space, plain.space.parse(CELL), task, 0)
    load_weights(folder / "weights.safetensors", network.eval())
    with torch.no_grad():
        answers = torch.cat([network(inputs).argmax(1) for inputs, _ in task.batches("test", batch_size=250)])
    return 100 * answers.bincount().max().item() / len(answers)


def write_page(folder: Path, plain) -> None:
    """Write the tables of the trainings that are finished."""
    rows = {(name, seed): read_metrics(folder / f"{name}-{seed}") for name in LABELS for seed in SEEDS}
    rows = {key: found for key, found in rows.items() if len(found) == plain.recipe.horizon}
    if not rows:
        return
    sizes = sizes_of(plain.space, plain.space.parse(CELL), plain.task)
    recipe = plain.recipe
    favourites = [favourite(folder / f"shuffled-{seed}", plain) for seed in SEEDS if ("shuffled", seed) in rows]
    missing = len(LABELS) * len(SEEDS) - len(rows)
    unfinished = f" **{missing} of the {len(LABELS) * len(SEEDS)} trainings are not finished.**" if missing else ""
    lines = [
        "# Does the training teach a network anything?",
        "",
        paragraph(
            "Made by `studies/retraining.py` with the recipe `darts-cifar10` at a small scale. The network comes",
            f"from the space darts with {plain.space.width} channels and {plain.space.layers} cells: `{CELL}`. It",
            f"has {sizes.params:,} parameters, {sizes.auxiliary_params:,} more in the auxiliary head, and",
            f"{sizes.macs:,} MACs. It is trained for {recipe.horizon} epochs in batches of {recipe.batch_size} on",
            f"{ITEMS:,} images of CIFAR-10 (a copy in JPEG), with crops, flips, cutout, drop path and the auxiliary",
            f"loss as in the recipe. After the last epoch it is tested on {TESTS:,} other images with their true",
            f"labels.{unfinished}",
        ),
        "",
        "| labels trained on | " + " | ".join(f"seed {seed}" for seed in SEEDS) + " | mean |",
        "|---|" + "---|" * (len(SEEDS) + 1),
    ]
    for name in LABELS:
        tests = {seed: rows[name, seed][-1].test for seed in SEEDS if (name, seed) in rows}
        cells = [f"{tests[seed]:.1f}" if seed in tests else "-" for seed in SEEDS]
        lines.append(f"| {name} | {' | '.join(cells)} | {np.mean(list(tests.values())):.1f} |")
    lines += [
        "",
        paragraph(
            "Accuracy in percent; a guess is right in 10 %. The difference between true and shuffled labels is what",
            "the training teaches. At this scale it says nothing about the accuracy that the full recipe reaches.",
            f"The shuffled labels are the same for all seeds; {kept_labels():.2f} % of them are true by chance. The",
            f"networks trained on them predict one class for {' / '.join(f'{share:.0f} %' for share in favourites)}",
            f"of the test images. Their answers are therefore not {TESTS:,} independent guesses, and their",
            "accuracies may differ from 10 % by more than the accuracies of such guesses would.",
        ),
        "",
        "Mean over the seeds after each epoch:",
        "",
        "| epoch | learning rate | loss, true | test, true | loss, shuffled | test, shuffled |",
        "|---|---|---|---|---|---|",
    ]
    for epoch in range(recipe.horizon):
        cells = []
        for name in LABELS:
            found = [rows[name, seed][epoch] for seed in SEEDS if (name, seed) in rows]
            cells += [f"{np.mean([r.loss for r in found]):.3f}", f"{np.mean([r.test for r in found]):.1f}"]
        lines.append(f"| {epoch + 1} | {recipe.rate(epoch):.4f} | {' | '.join(cells)} |")
    seconds = sum(row.seconds for found in rows.values() for row in found)
    lines += [
        "",
        paragraph(
            "The loss is the training loss, with the auxiliary loss at its weight of 0.4. A network that has learnt",
            f"nothing has a loss of 1.4 ln 10 = {1.4 * math.log(10):.3f}. The {len(rows)} trainings took",
            f"{seconds / 60:.0f} minutes by the clock, at low priority on a busy machine with two cores. This study",
            "was not run on a GPU.",
        ),
        "",
    ]
    with replace_file(PAGE) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
