"""Forecast of a final training: parameters, steps and hours, from a few steps timed on this machine."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from archsieve.networks.building import build_network
from archsieve.networks.counting import sizes_of
from archsieve.networks.form import special_inputs
from archsieve.networks.inputs import call
from archsieve.tasks.contract import completed_task, count_items
from archsieve.tasks.data.batching import count_steps
from archsieve.tasks.data.scenes import Scene, Scenes
from archsieve.tasks.noise import Noise, default_loss
from archsieve.tasks.segmentation import Segmentation
from archsieve.tasks.synthetic import Synthetic
from archsieve.training.loop import trainer_of
from archsieve.training.optimiser import rates_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from archsieve.networks.form import Given
    from archsieve.retraining.recipe_files import Training
    from archsieve.spaces.contract import Architecture
    from archsieve.training.recipe import Recipe

_STEPS = 3  # timed, after one that is not
_ITEMS_ON_CPU = 16  # whose time grows with the items; a batch of an accelerator's size may not fit


@dataclass(frozen=True)
class Rehearsal:
    """The forecast of a training.

    Attributes:
        params: of the network, its auxiliary head left out.
        auxiliary_params: of that; 0 where there is none.
        macs: multiply-adds of one item in evaluation.
        items: to train on.
        steps_per_epoch: of the recipe's batches.
        timed_steps: steps that were taken to know the time; 0 if none was.
        timed_items: items of each of them.
        is_timed_on_noise: whether steps were timed on noise, because the data are not here.
        seconds_per_step: of a whole batch, in proportion to those; None if no step was timed.
        hours: of all steps, scoring left out.
        notes: what the multiply-adds leave out, as sentences.
    """

    space: str
    architecture: str
    task: str
    recipe: str
    params: int
    auxiliary_params: int
    macs: int
    items: int
    epochs: int
    steps_per_epoch: int
    steps: int
    device: str
    timed_steps: int
    timed_items: int
    is_timed_on_noise: bool
    seconds_per_step: float | None
    hours: float | None
    notes: tuple[str, ...] = ()


def rehearse(
    training: Training, arch: Architecture, *, seed: int = 0, device: str = "cpu", is_timed: bool = True
) -> Rehearsal:
    """Return the forecast of a training in one process; nothing is written."""
    space, task, recipe = training.space, training.task, training.recipe
    rates_of(recipe, task, processes=1)  # refuses what cannot be
    sizes = sizes_of(space, arch, task)
    items = count_items(task, "train")
    each = count_steps(items, recipe.micro_batch_size(1), recipe.micro_batches)
    timed_items = items_at_once(recipe, device)
    here = completed_task(task).is_present()
    seconds = _times(training, arch, timed_items, here, seed, device) if is_timed else []
    a_step = sum(seconds) / len(seconds) * recipe.batch_size / timed_items if seconds else None
    return Rehearsal(
        space=space.name,
        architecture=space.describe(arch),
        task=task.name,
        recipe=training.recipe_name,
        params=sizes.params,
        auxiliary_params=sizes.auxiliary_params,
        macs=sizes.macs,
        items=items,
        epochs=recipe.horizon,
        steps_per_epoch=each,
        steps=each * recipe.horizon,
        device=device,
        timed_steps=len(seconds),
        timed_items=timed_items if seconds else 0,
        is_timed_on_noise=is_timed and not here,
        seconds_per_step=a_step,
        hours=None if a_step is None else a_step * each * recipe.horizon / 3600,
        notes=sizes.notes,
    )


def items_at_once(recipe: Recipe, device: str) -> int:
    """Return the number of items in a timed step of one process."""
    whole = recipe.micro_batch_size(1)
    return min(whole, _ITEMS_ON_CPU) if torch.device(device).type == "cpu" else whole


def noise_like(task: Any, count: int) -> Any:
    """Return a task of the same shape whose `count` items are noise."""
    if inputs := special_inputs(task):
        return Noise(inputs, task.num_outputs, default_loss(task.num_outputs), items=count)
    if isinstance(task, Segmentation):
        return _NoiseScenes(0.0, shape=tuple(task.input_shape), num_outputs=task.num_outputs, images=count)
    return Synthetic(0.0, shape=task.input_shape, num_outputs=task.num_outputs, images=count)


@dataclass(frozen=True)
class _NoiseScenes(Segmentation):
    """Noise of the training size, with a random class for each pixel."""

    shape: tuple[int, ...] = (3, 16, 16)
    num_outputs: int = 2
    images: int = 1
    name: ClassVar[str] = "noise"

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.shape

    def load(self) -> Scenes:
        scene = _noise(self.shape, self.num_outputs)
        return Scenes((scene,) * self.images, (scene,))


@lru_cache(maxsize=1)
def _noise(shape: tuple[int, ...], classes: int) -> Scene:
    rng = np.random.default_rng(0)
    picture = rng.integers(256, size=shape, dtype=np.uint8)
    return Scene(picture, rng.integers(classes, size=shape[1:], dtype=np.uint8))


def _times(training: Training, arch: Architecture, items: int, here: bool, seed: int, device: str) -> list[float]:
    """Return the seconds of a few steps of that many items, by the clock, data reading included."""
    task = training.task if here else noise_like(training.task, (_STEPS + 1) * items)
    network = build_network(training.space, arch, task, seed)

    def outputs(inputs: Given, _: np.random.Generator) -> Iterator[Any]:
        yield call(network, inputs)

    recipe = replace(training.recipe, batch_size=items)
    return step_seconds(network, task, recipe, outputs, seed=seed, device=device)


def step_seconds(
    network: nn.Module,
    task: Any,
    recipe: Recipe,
    outputs: Callable[[Given, np.random.Generator], Iterator[Any]],
    *,
    seed: int = 0,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Return the seconds of a few steps, data reading included; the first (warm-up) step is omitted.

    Args:
        network: trained meanwhile.
        task: gives the items, at least a batch.
        recipe: a step takes its batch at once, whatever it says of parts and of steps.
        outputs: yields what the loss is taken of, given inputs and what draws.
        seed: of what is drawn.
        device: where.
        clock: returns seconds.
    """
    recipe = replace(recipe, micro_batches=1, by_step=False, warm_up_steps=0)
    marks: list[float] = []

    def mark() -> None:
        if torch.device(device).type != "cpu":
            torch.accelerator.synchronize()
        marks.append(clock())

    def forward(inputs: Given, rng: np.random.Generator) -> Iterator[Any]:
        mark()
        yield from outputs(inputs, rng)

    trainer = trainer_of(network, task, recipe, seed=seed, device=device, forward=forward)
    trainer.is_checked = False  # a few steps of another batch size, maybe on noise, tell time and nothing else
    trainer.advance(most=_STEPS + 1)
    mark()
    seconds = [after - before for before, after in itertools.pairwise(marks)]
    return seconds[1:] or seconds
