"""Part (d): seconds of a step beside a bare loop of torch over the same network, and what the paper's experiments take.

The bare loop has the same network, layout, mixed precision, optimiser and clipping, and batches that lie on the device.
Ours is the loop of `archsieve train` and of the estimators, with its data and augmentation; the photographs of ImageNet
are one batch of noise, since how fast a disk is says nothing of a loop. Both are timed in turns.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from archsieve import SPACES
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.networks.building import as_inputs, build_network, laid_out
from archsieve.networks.drop_path import set_drop_path
from archsieve.networks.supernets import build_supernet
from archsieve.retraining.recipe_files import training_of
from archsieve.training.loop import trainer_of
from archsieve.training.losses import loss_of
from archsieve.training.optimiser import optimiser_of
from device_parts.hours import STEPS, experiments
from device_parts.run import seconds_of, synchronize
from device_parts.tasks import Repeated, noise, pictures

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve.training.recipe import Recipe
    from device_parts.run import Part
    from device_parts.setting import Setting

SEED = 0
GOAL = 1.05
TURNS = 2


@dataclass(frozen=True)
class Case:
    """One kind of step: a network, or a supernet and its paths; `scale` brings its batch to that of the recipe."""

    name: str
    space: Any
    task: Any
    recipe: Recipe
    is_supernet: bool = False
    scale: float = 1.0


def run(part: Part) -> None:
    """Write a line for each case, and one for each experiment of the paper."""
    times: dict[str, float] = {}
    for case in cases(part.setting):
        part.check()
        try:
            ours, bare = _timed(case, part)
        except torch.OutOfMemoryError:
            part.tell(case.name, why="the card's memory is too small for this batch")
            continue
        times[case.name] = ours * case.scale
        part.tell(
            case.name,
            batch=case.recipe.batch_size,
            seconds_a_step=ours,
            bare=bare,
            ratio=ours / bare,
            within_5_percent=ours <= GOAL * bare,
        )
    for name, seconds in times.items():
        if name.startswith("partial"):
            part.tell(f"an epoch of {name}", steps=STEPS, seconds=seconds * STEPS)
    for name, hours, how in experiments(times):
        part.tell(f"hours: {name}", hours=hours, how=how)


def cases(setting: Setting) -> list[Case]:
    """Return the steps that are timed: final trainings by their recipes, supernets, and a partial training."""
    task, one_shot, partial = pictures(setting), OneShot()._recipe(), PartialTraining()._recipe()
    if setting.tiny:
        tiny = [SPACES["nasbench-macro"](stem_width=4, widths=(6,), stages=(2,), head_width=8)]
        tiny += [SPACES["darts"](width=4, layers=3), SPACES["nasbench201"](width=4, cells=1)]
        one_shot, partial = replace(one_shot, batch_size=8), replace(partial, batch_size=8)
        return [
            Case("train darts-cifar10", tiny[1], task, partial),
            Case("supernet nasbench-macro", tiny[0], task, one_shot, is_supernet=True),
            Case("supernet nasbench201", tiny[2], task, one_shot, is_supernet=True),
            Case("partial nasbench-macro", tiny[0], task, partial),
        ]
    cifar, imagenet = (training_of("darts", f"darts-{name}") for name in ("cifar10", "imagenet"))
    half_way = replace(cifar.recipe, drop_path=cifar.recipe.drop_path / 2, first_drop_path=cifar.recipe.drop_path / 2)
    part_of = 4  # of the ImageNet recipe's 1,024 pictures, which would not fit into the card's memory
    large = replace(imagenet.recipe, batch_size=imagenet.recipe.batch_size // part_of)
    photographs = Repeated(noise((3, 224, 224), 300, 1000), 2 + setting.warm_up + setting.steps)
    return [
        Case("supernet nasbench201", SPACES["nasbench201"](), task, one_shot, is_supernet=True),
        Case("supernet nasbench-macro", SPACES["nasbench-macro"](), task, one_shot, is_supernet=True),
        Case("supernet darts", SPACES["darts"](), task, one_shot, is_supernet=True),
        Case("partial nasbench-macro", SPACES["nasbench-macro"](), task, partial),
        Case("partial nasbench201", SPACES["nasbench201"](), task, replace(partial, nesterov=True, horizon=200)),
        Case("partial darts", SPACES["darts"](), task, partial),
        Case("train darts-cifar10", cifar.space, replace(task, cutout=16), half_way),
        Case("train darts-imagenet", imagenet.space, photographs, large, scale=part_of),
    ]


def _timed(case: Case, part: Part) -> tuple[float, float]:
    """Return seconds a step of ours and of the bare loop, each the least of two turns, so that both see one machine."""
    setting = part.setting
    ours, bare = Ours(case, setting), Bare(case, setting)
    found: list[tuple[float, float]] = []
    for turn in range(TURNS):
        if turn and part.left < 0:
            break
        found.append((ours.seconds(setting.steps), bare.seconds(setting.steps)))
    return min(pair[0] for pair in found), min(pair[1] for pair in found)


class Ours:
    """The package's loop, from its data to the optimiser's step."""

    def __init__(self, case: Case, setting: Setting) -> None:
        self._device, self._warm_up, self._marks = setting.device, setting.warm_up, [0.0]
        self._network = network_of(case)
        self._paths, self._rng = sampler_of(case), np.random.default_rng(SEED)

        def forward(inputs: Any, _: np.random.Generator) -> Any:
            synchronize(self._device)
            self._marks.append(time.perf_counter())
            if self._paths is None:
                return [self._network(inputs)]
            return (self._network(inputs, arch) for arch in self._paths(self._rng))

        self._trainer = trainer_of(
            self._network, case.task, _stepwise(case.recipe), seed=SEED, device=self._device, forward=forward
        )

    def seconds(self, steps: int) -> float:
        """Return the seconds of a step, from one batch on the device to the next, over the same paths as `Bare`."""
        self._trainer.inside, self._marks, self._rng = {}, [], np.random.default_rng(SEED)
        self._trainer.advance(most=self._warm_up + steps + 1)
        return float(np.mean(np.diff(self._marks)[self._warm_up :]))


class Bare:
    """What one writes first: a batch on the device, forward, loss, backward, clip, step."""

    def __init__(self, case: Case, setting: Setting) -> None:
        self._device, self._warm_up = setting.device, setting.warm_up
        self._network = laid_out(network_of(case), setting.device).train()
        set_drop_path(self._network, case.recipe.drop_path_at(0))
        self._paths, self._clip = sampler_of(case), case.recipe.clip
        self._optimiser, self._loss = optimiser_of(self._network, case.recipe), loss_of(case.task, case.recipe)
        batches = case.task.batches("train", batch_size=case.recipe.batch_size, device=setting.device)
        inputs, self._targets = next(iter(batches))
        self._inputs = as_inputs(inputs)

    def seconds(self, steps: int) -> float:
        """Return the seconds of a step."""
        self._rng = np.random.default_rng(SEED)
        found = [seconds_of(self._step, self._device) for _ in range(self._warm_up + steps)]
        return float(np.mean(found[self._warm_up :]))

    def _step(self) -> None:
        self._optimiser.zero_grad(set_to_none=True)
        for arch in self._paths(self._rng) if self._paths else (None,):
            kind = torch.device(self._device).type
            with torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda"):
                outputs = self._network(self._inputs) if arch is None else self._network(self._inputs, arch)
                loss = self._loss(outputs, self._targets)
            loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), self._clip)
        self._optimiser.step()


def network_of(case: Case) -> nn.Module:
    """Return a new network, the same for both loops."""
    if case.is_supernet:
        return build_supernet(case.space, case.task, SEED)
    return build_network(case.space, case.space.sample(np.random.default_rng(3)), case.task, SEED)


def sampler_of(case: Case) -> Callable[[np.random.Generator], Any] | None:
    """Return what draws the paths of a step; None for a network."""
    if not case.is_supernet:
        return None
    sample = OneShot()._sampler(case.space)
    return lambda rng: sample(case.space, rng)


def _stepwise(recipe: Recipe) -> Recipe:
    return replace(recipe, by_step=False, warm_up_steps=0)
