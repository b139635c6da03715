"""Recomputation of the embedded digits benchmark: complete trainings, epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from archsieve._arrays import read_arrays
from archsieve.benchmarks.digits import CURVES, EPOCHS, SPACE, TEST_IMAGES, TRUTHS, VALIDATION_IMAGES
from archsieve.registry import TASKS
from archsieve.spaces.text import encode
from archsieve.verifying.scores import part_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve.spaces.contract import Architecture
    from archsieve.verifying.cards import Card
    from archsieve.verifying.scores import Figures

FIRST_SEED = 101
"""Of the trainings; far from the seeds that users search with."""
_IMAGES: dict[Literal["validation", "test"], int] = {"validation": VALIDATION_IMAGES, "test": TEST_IMAGES}


def trainings_again(card: Card, fraction: float, progress: Callable[[str, int, int], None]) -> Figures:
    """Return correctly classified pictures by epoch and split, for a fraction of the trainings."""
    arrays = read_arrays(card.file, ("codes", *_IMAGES))
    runs = [(seed, row) for seed in range(TRUTHS + CURVES) for row in range(len(arrays["codes"]))]
    figures = []
    chosen = part_of(runs, fraction, card.name)
    for done, (seed, row) in enumerate(chosen):
        progress(card.name, done, len(chosen))
        arch = tuple(map(int, arrays["codes"][row]))
        for split, counts in right_answers(FIRST_SEED + seed, arch).items():
            recorded = arrays[split][seed, row].tolist()
            figures += [
                (f"{split} of {encode(arch)}, seed {FIRST_SEED + seed}, epoch {epoch}", before, now)
                for epoch, (before, now) in enumerate(zip(recorded, counts, strict=True), 1)
            ]
    return figures, []


def right_answers(seed: int, arch: Architecture) -> dict[Literal["validation", "test"], list[int]]:
    """Train a network completely, and return the correctly classified pictures by epoch and split."""
    from archsieve.networks.building import build_network
    from archsieve.tasks.evaluation import evaluate
    from archsieve.training.loop import train
    from archsieve.training.recipe import Recipe

    task = TASKS["digits"](test_images=TEST_IMAGES, validation_fraction=0.625)
    network = build_network(SPACE, arch, task, seed)
    counts: dict[Literal["validation", "test"], list[int]] = {split: [] for split in _IMAGES}

    def look(_epoch: object) -> None:
        network.eval()
        for split, images in _IMAGES.items():
            counts[split].append(round(evaluate(network, task, split, batch_size=1024) * images / 100))
        network.train()

    recipe = Recipe(horizon=EPOCHS, learning_rate=0.1, weight_decay=5e-4)
    train(network, task, recipe, epochs=EPOCHS, seed=seed, on_epoch=look)
    return counts
