"""Partial training: the complete training stopped early; epoch 2 continues epoch 1."""

from __future__ import annotations

from dataclasses import dataclass, field, is_dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve._files import remove_file
from archsieve.errors import SettingError
from archsieve.estimators.contract import Price
from archsieve.networks.building import build_network, laid_out
from archsieve.randomness import derive_seed
from archsieve.tasks.contract import count_items
from archsieve.tasks.evaluation import evaluate
from archsieve.training.checkpoint import is_beyond
from archsieve.training.loop import train
from archsieve.training.recipe import Recipe
from archsieve.values import check_whole, exact

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from archsieve.estimators.contract import Context, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Split, Task


@dataclass(frozen=True)
class PartialTraining:
    """Scores an architecture by its metric after `epochs` epochs of the full schedule.

    The learning rate follows the long horizon, however early the training stops. The defaults are those of "Good
    Performance Estimation strategies are All You Need in NAS" (TPAMI 2025) for its macro space; its cell space takes
    a horizon of 200 and Nesterov momentum.

    Args:
        epochs: trained in total; 0 scores the initial network.
        horizon: epochs of the cosine schedule.
        learning_rate: at the start; it ends at 0.
        momentum: of SGD.
        nesterov: whether momentum is Nesterov's.
        weight_decay: of SGD.
        batch_size: of a training step.
        clip: largest norm of the gradient.
        split: what is scored on, "validation" or, for a final figure, "test".
        fraction_of_data: share of the training split that is trained on, in (0, 1], always the same items; an epoch
            is one pass over those.
        repeat: which of several trainings of the same network: 0 is the run's own, any other number draws new initial
            weights and another order of the items, and is trained and paid for by itself.
    """

    epochs: int = 1
    horizon: int = 50
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    batch_size: int = 64
    clip: float = 5.0
    split: Split = "validation"
    fraction_of_data: float = 1.0
    repeat: int = field(default=0, metadata={"added": True})
    version: ClassVar[int] = 2
    chunk_size: ClassVar[int] = 1
    scores_metric: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("data", "labels")

    def __post_init__(self) -> None:
        """Check the settings."""
        self._recipe()
        check_whole("epochs", self.epochs, 0)
        if self.split not in ("validation", "test"):
            raise SettingError(f"`split` must be 'validation' or 'test', but got {self.split!r}.")
        if not 0 < self.fraction_of_data <= 1:
            raise SettingError(f"`0 < fraction_of_data <= 1` must hold, but got {self.fraction_of_data}.")
        check_whole("repeat", self.repeat, 0)

    @property
    def name(self) -> str:
        """The name with the epochs, the split if it is the test set, and the repeat number."""
        repeat = f", repeat {self.repeat}" if self.repeat else ""
        return f"partial_training[{self.epochs}{', test' if self.split == 'test' else ''}{repeat}]"

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return the cost of training `n` networks and of the forward passes that score them."""
        scoring = count_items(task, self.split) / (3 * count_items(task, "train"))
        return Price(n * self.epochs * self.fraction_of_data, n * scoring)

    @property
    def lineage(self) -> PartialTraining:
        """The same training with zero epochs: its work folder holds every architecture's latest checkpoint."""
        return replace(self, epochs=0, split="validation")

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the metric after `epochs` epochs, shape (n,), higher is better.

        Raises:
            ScoringError: the training diverges, or the network puts out NaN.
        """
        return np.array([self._train_and_evaluate(arch, ctx) for arch in archs])

    def forget(self, archs: Sequence[Architecture], ctx: Context) -> None:
        """Delete the checkpoints of these codes."""
        for arch in archs:
            remove_file(self._checkpoint(arch, ctx))

    def _checkpoint(self, arch: Architecture, ctx: Context) -> Path:
        return ctx.workdir / f"{'-'.join(map(str, arch))}.pt"

    def _train_and_evaluate(self, arch: Architecture, ctx: Context) -> float:
        seed = self._seed(ctx)
        network, task = build_network(ctx.space, arch, ctx.task, seed), self._reduced(ctx.task)
        checkpoint = self._checkpoint(arch, ctx)
        ahead = is_beyond(checkpoint, self.epochs)  # then train anew, and leave the checkpoint alone
        train(
            network,
            task,
            self.recipe,
            epochs=self.epochs,
            seed=seed,
            device=ctx.device,
            checkpoint=None if ahead else checkpoint,
            log=ctx.log and ctx.log / checkpoint.stem,
            toward=self.name,
        )
        return evaluate(laid_out(network, ctx.device).eval(), ctx.task, self.split, device=ctx.device)

    def _seed(self, ctx: Context) -> int:
        """Return the seed of this training: the run's seed, or one derived from it for a repeat."""
        if not self.repeat:
            return ctx.seed
        return derive_seed(ctx.seed, "train", "repeat", self.repeat)

    def _reduced(self, task: Task) -> Task:
        """Return the task restricted to the share of training items in use."""
        if self.fraction_of_data == 1:
            return task
        whole = getattr(task, "train_fraction", None)
        if whole is None or not is_dataclass(task):
            raise SettingError(f"The task {task.name!r} has no `train_fraction`: leave `fraction_of_data` at 1.")
        return replace(task, train_fraction=float(exact(whole) * exact(self.fraction_of_data)))

    @property
    def recipe(self) -> Recipe:
        """The training recipe."""
        return self._recipe()

    def _recipe(self) -> Recipe:
        return Recipe(
            horizon=self.horizon,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            clip=self.clip,
        )
