"""Part (c): the supernet of NAS-Bench-201 by the paper's settings, as far as the minutes go, and how it ranks.

The settings are those of `OneShot`: 50 epochs, one uniform path a step, SGD with a cosine from 0.025 to 0, batches of
64, batch statistics; in mixed precision on CUDA, as everything is trained here. The checkpoint is that of a run folder.
Cells are scored in float32 with TF32, each on the same images in one batch: with batches of 64, Python takes
longer to launch the kernels than the card to run them. Statistics are those of that batch.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from archsieve import BENCHMARKS, SPACES
from archsieve.errors import ArchsieveError
from archsieve.estimators.supernet.one_shot import OneShot, each_path, use_batch_statistics
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio, spearman
from archsieve.networks.supernets import build_supernet
from archsieve.runs.arithmetic import Arithmetic
from archsieve.spaces.contract import enumerate_space
from archsieve.tasks.evaluation import evaluate_each
from archsieve.training.loop import trainer_of
from device_parts.run import synchronize
from device_parts.tasks import pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from archsieve.training.loop import Trainer
    from device_parts.run import Part

SEED = 0
BATCH = 1000  # of scoring
AT_ONCE = 50  # cells between two looks at the clock
TOLD = 1000  # cells between two lines, so that a run that is cut off has a ranking
TRUTHS = (("nasbench201-cifar10", "test_acc_200"), ("nasbench201-analog", "test_acc_200"))


def run(part: Part) -> None:
    """Train, say how far, score, say how well."""
    setting = part.setting
    space = SPACES["nasbench201"](width=4, cells=1) if setting.tiny else SPACES["nasbench201"]()
    task = pictures(setting)
    estimator = OneShot(epochs=setting.supernet_epochs, sampling=setting.sampling)  # type: ignore[arg-type]
    supernet = build_supernet(space, task, SEED)
    sample = estimator._sampler(space)

    def forward(inputs: Tensor, choices: np.random.Generator) -> Iterator[Tensor]:
        return (supernet(inputs, arch) for arch in sample(space, choices))

    trainer = trainer_of(supernet, task, estimator._recipe(), seed=SEED, device=setting.device, forward=forward)
    size = "-tiny" if setting.tiny else ""
    name = f"supernet201{size}-{task.name}-{setting.sampling}-{setting.supernet_epochs}.pt"
    trainer.checkpoint = Path(setting.checkpoint or name)
    trainer.resume()
    before, began = trainer.epochs, time.perf_counter()
    with Arithmetic(benchmark=True).applied(setting.device):
        steps = train_for(trainer, 60 * setting.supernet_minutes, setting.supernet_epochs, part)
    trained = time.perf_counter() - began
    loss = float(torch.stack(trainer.losses).mean()) if trainer.losses else None
    part.tell(
        "trained",
        pictures=task.name,
        checkpoint=trainer.checkpoint.name,
        epochs=round(trainer.epochs + inside(trainer, task), 3),
        of=setting.supernet_epochs,
        epochs_before=before,
        steps=steps,
        seconds=round(trained, 1),
        seconds_a_step=trained / steps if steps else None,
        loss=loss,
    )
    part.check()
    with torch.no_grad(), Arithmetic(tf32=True).applied(setting.device):
        judge(part, supernet, space, task)


def train_for(trainer: Trainer, seconds: float, epochs: int, part: Part) -> int:
    """Train so long, or to the last epoch; save, and return the steps taken."""
    ends, taken = time.perf_counter() + min(seconds, part.left), 0
    pace: float | None = None  # seconds a step
    whole = -(-trainer.task.count("train") // trainer.recipe.batch_size)  # type: ignore[attr-defined]
    while trainer.epochs < epochs and time.perf_counter() < ends:
        first = trainer.inside.get("steps", 0)
        room = whole if pace is None else int((ends - time.perf_counter()) / pace)
        most = first + (4 if pace is None else max(1, room))
        begun = time.perf_counter()
        ended = trainer.advance(most if most < whole else None)
        synchronize(trainer.device)
        steps = (whole if ended else trainer.inside["steps"]) - first
        pace, taken = (time.perf_counter() - begun) / max(1, steps), taken + steps
    return taken


def inside(trainer: Trainer, task: Any) -> float:
    """Return the part of an epoch in which training stands."""
    return float(trainer.inside.get("steps", 0)) * trainer.recipe.batch_size / task.count("train")


def judge(part: Part, supernet: Any, space: Any, task: Any) -> None:
    """Score all distinct cells in an order by seed, as many as there is time for, and write how they rank."""
    setting = part.setting
    supernet.eval()
    use_batch_statistics(supernet)
    cells = sorted({space.canonical(arch) for arch in enumerate_space(space)})
    order = [cells[i] for i in np.random.default_rng(SEED).permutation(len(cells))][: setting.cells or None]
    scores: dict[Any, float] = {}
    begun, pace = time.perf_counter(), 0.0
    for start in range(0, len(order), AT_ONCE):
        if pace * AT_ONCE > part.left - 2:
            break
        some = order[start : start + AT_ONCE]
        scores |= evaluate_each(
            lambda inputs, some=some: each_path(supernet, some, inputs, may_share=False),  # type: ignore[misc]
            task,
            "validation",
            batch_size=BATCH,
            limit=setting.items,
            device=setting.device,
        )
        seconds = time.perf_counter() - begun
        pace = seconds / len(scores)
        if len(scores) % TOLD == 0:
            part.tell(f"ranked, the first {len(scores)}", **ranking(scores, len(cells), setting.items, seconds))
    part.tell("ranked", **ranking(scores, len(cells), setting.items, time.perf_counter() - begun))


def ranking(scores: dict[Any, float], count: int, images: int, seconds: float) -> dict[str, Any]:
    """Return how the scores of some of `count` cells rank them, where the truth is known."""
    values = np.array(list(scores.values()))
    taken = {"cells": len(scores), "of": count, "images": images, "seconds": seconds}
    about = {"accuracy_best": values.max(), "accuracy_median": np.median(values)} if len(values) else {}
    truth, column = truth_of(list(scores))
    told = {**taken, **about, "truth": column}
    return (
        told
        if truth is None
        else told
        | {
            "tau": kendall_tau(values, truth),
            "spearman": spearman(values, truth),
            "mkr": minimum_keeping_ratio(values, truth),
            "truth_of_the_best": truth[int(values.argmax())],
        }
    )


def truth_of(archs: list[Any]) -> tuple[Any, str]:
    """Return the true accuracies, and what they are; None and why, where no table of them is here."""
    why = "no table of NAS-Bench-201 is here"
    for name, column in TRUTHS:
        try:
            if archs and BENCHMARKS[name].is_present():
                return BENCHMARKS[name].load().lookup(column, archs), f"{name} {column}"
        except (ArchsieveError, ImportError) as error:
            why = str(error)
    return None, why
