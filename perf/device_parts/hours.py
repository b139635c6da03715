"""What the experiments of the paper take on this card, from the seconds of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.plans.contract import forecast
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STEPS = 704  # of an epoch of 45,000 images in batches of 64
SPACES = ("nasbench-macro", "nasbench201", "darts")
SUPERNET_EPOCHS = 50
FINAL = {"darts-cifar10": 600 * 521, "darts-imagenet": 250 * 1252}  # steps, of 96 and of 1,024 pictures


def experiments(times: Mapping[str, float]) -> Iterator[tuple[str, float, str]]:
    """Yield name, hours and how they are reckoned, of each experiment whose steps were timed.

    A pipeline is its plan's forecast: network-epochs of partial training at the pace of a step of that space's network;
    the supernet's epochs at the pace of its own; its scoring, and the vote, as network-epochs too. That is an upper
    bound, since where networks share something the package computes it once.
    """
    for space in SPACES:
        supernet, partial = times.get(f"supernet {space}"), times.get(f"partial {space}")
        if supernet is not None:
            how = f"{SUPERNET_EPOCHS} epochs of {STEPS} steps of {supernet:.4g} s"
            yield f"supernet of {space}", SUPERNET_EPOCHS * STEPS * supernet / 3600, how
        if supernet is None or partial is None:
            continue
        for pipeline in "abc":
            epochs = _epochs(f"{pipeline}-{space}")
            seconds = (epochs * partial + SUPERNET_EPOCHS * supernet) * STEPS
            how = f"at most {epochs:.0f} network-epochs of {STEPS} steps of {partial:.4g} s, and its supernet"
            yield f"pipeline {pipeline.upper()} on {space}", seconds / 3600, how
    for recipe, steps in FINAL.items():
        if (seconds := times.get(f"train {recipe}")) is not None:
            yield f"final training {recipe}", steps * seconds / 3600, f"{steps:,} steps of {seconds:.4g} s"


def _epochs(plan: str) -> float:
    """Return the network-epochs of a shipped plan without the training of its supernet."""
    rows = forecast(load_plan(find_plan(plan)))
    return sum(row.network_epochs or 0.0 for row in rows) - SUPERNET_EPOCHS
