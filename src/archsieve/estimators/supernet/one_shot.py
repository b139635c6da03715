"""One-shot: one trained supernet, whose weights score every architecture (arXiv 1904.00420, 1907.01845)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn

from archsieve._files import Remembered
from archsieve._spent import tell_spent
from archsieve.errors import PartialScoringError, SettingError
from archsieve.estimators.contract import Price
from archsieve.estimators.prefixes import is_chain, walk
from archsieve.estimators.supernet import paths
from archsieve.estimators.supernet.distillation import Distilled
from archsieve.fingerprints import fingerprint
from archsieve.networks.building import as_inputs, laid_out
from archsieve.networks.supernets import build_supernet
from archsieve.randomness import generator
from archsieve.tasks.contract import count_items
from archsieve.tasks.evaluation import evaluate_each, first_items, no_metric
from archsieve.training.checkpoint import epochs_trained, load_checkpoint, spent_toward
from archsieve.training.loop import train
from archsieve.training.recipe import Recipe
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from archsieve.estimators.contract import Context, Scores
    from archsieve.networks.form import Given
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

    Forward: TypeAlias = Callable[[Given, np.random.Generator], Iterator[Tensor]]


_SUPERNETS: Remembered[nn.Module] = Remembered(most=1)  # loaded for a chunk of codes, and used for the next


@dataclass(frozen=True)
class OneShot:
    """Scores an architecture by the validation metric of its path through a trained supernet.

    The defaults are the settings of "Good Performance Estimation strategies are All You Need in NAS" (TPAMI 2025):
    SGD, cosine over `epochs`, one uniform path a step, batch statistics. In a space whose networks are chains, the
    paths scored together share the evaluation of their common prefixes.

    Args:
        epochs: passes over the training split.
        sampling: "uniform" draws one path a step (single path one-shot, arXiv 1904.00420); "fair" takes as many paths
            a step as a decision has options, so that each option is trained once, and sums their gradients (FairNAS,
            arXiv 1907.01845); "sandwich" takes the largest path, the smallest and some random ones, and sums their
            gradients (arXiv 1903.05134): for a space whose networks are parts of the largest.
        batch_norm: "batch" normalises by the statistics of the batch, in training and in scoring, since running
            statistics mix all paths; "recalibrated" scores each path with running statistics of its own, taken anew
            on training batches (path by path, which is dearer).
        recalibration_batches: how many of those.
        learning_rate: at the start.
        final_learning_rate: at the end.
        momentum: of SGD.
        weight_decay: of SGD.
        batch_size: of a step, in training and in scoring.
        clip: largest norm of the gradient.
        scoring_items: validation items to score on; None for all.
        random_paths: how many of a sandwich are random.
        distillation: whether the other paths of a sandwich learn the outputs of the largest, and not the targets.
    """

    epochs: int = 50
    sampling: Literal["uniform", "fair", "sandwich"] = "uniform"
    batch_norm: Literal["batch", "recalibrated"] = "batch"
    recalibration_batches: int = 16
    learning_rate: float = 0.025
    final_learning_rate: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 3e-4
    batch_size: int = 64
    clip: float = 5.0
    scoring_items: int | None = None
    random_paths: int = field(default=2, metadata={"added": True})
    distillation: bool = field(default=False, metadata={"added": True})
    name: ClassVar[str] = "one_shot"
    scores_metric: ClassVar[bool] = True
    version: ClassVar[int] = 2
    learns_from_pool: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ("data", "labels")

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("epochs", "recalibration_batches", "scoring_items"):
            number = getattr(self, name)
            if number is not None:
                check_whole(name, number, 1)
        if self.sampling not in ("uniform", "fair", "sandwich"):
            raise SettingError(f"`sampling` must be 'uniform', 'fair' or 'sandwich', but got {self.sampling!r}.")
        check_whole("random_paths", self.random_paths, 0)
        if self.sampling != "sandwich" and (self.distillation or self.random_paths != OneShot.random_paths):
            raise SettingError(
                f"`random_paths` and `distillation` need sampling='sandwich', but got {self.sampling!r}."
            )
        if self.batch_norm not in ("batch", "recalibrated"):
            raise SettingError(f"`batch_norm` must be 'batch' or 'recalibrated', but got {self.batch_norm!r}.")
        self._recipe()

    @property
    def chunk_size(self) -> int:
        """Small, so that an interruption loses little; large if paths may share prefixes."""
        return 64 if self.batch_norm == "batch" else 4

    @property
    def lineage(self) -> OneShot:
        """The same supernet, for any way of scoring its paths."""
        return replace(self, scoring_items=None, batch_norm="batch", recalibration_batches=1)

    def forget(self, archs: Sequence[Architecture], ctx: Context) -> None:
        """Delete no file, because all paths share the supernet; release it from memory."""
        _SUPERNETS.forget()

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return the cost of the trained paths in epochs, and of the forward passes that score `n` paths one by one."""
        items = count_items(task, "validation") if self.scoring_items is None else self.scoring_items
        if self.batch_norm == "recalibrated":
            items += self.recalibration_batches * self.batch_size
        return Price(self.epochs * self.paths_a_step(space), n * items / (3 * count_items(task, "train")))

    def fit(self, pool: Sequence[Architecture], ctx: Context, scores: Any) -> None:
        """Train the supernet, from its checkpoint if there is one.

        Raises:
            SettingError: the space has no supernet, or cannot be sampled so.
            DivergenceError: the training diverges.
        """
        self.check_sampling(ctx.space)
        toward = fingerprint(self)
        if epochs_trained(self._file(ctx)) >= self.epochs:
            tell_spent(spent_toward(self._file(ctx), toward))
            return
        supernet = build_supernet(ctx.space, ctx.task, ctx.seed)
        forward, task = self.step(supernet, ctx.space, ctx.task)
        told = ctx.progress
        train(
            supernet,
            task,
            self.recipe,
            epochs=self.epochs,
            seed=ctx.seed,
            device=ctx.device,
            checkpoint=self._file(ctx),
            forward=forward,
            on_epoch=None if told is None else lambda done: told(done, self.epochs),
            log=ctx.log,
            toward=toward,
        )

    def step(self, supernet: Any, space: SearchSpace, task: Task) -> tuple[Forward, Task]:
        """Return a function of (inputs, generator) that yields a step's path outputs, and the task for their loss.

        Raises:
            SettingError: the space cannot be sampled so.
        """
        sample, taught = self._sampler(space), Distilled(task)

        def forward(inputs: Given, choices: np.random.Generator) -> Iterator[Tensor]:
            outputs = (supernet(as_inputs(inputs), arch) for arch in sample(space, choices))
            return taught.step(outputs) if self.distillation else outputs

        return forward, cast("Task", taught) if self.distillation else task

    def paths_a_step(self, space: SearchSpace) -> int:
        """Return how many paths a step trains."""
        return {"uniform": 1, "fair": max(space.choices), "sandwich": 2 + self.random_paths}[self.sampling]

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the metric of each path on the validation split, shape (n,), higher is better.

        Raises:
            SettingError: the supernet is not trained.
            PartialScoringError: some paths put out NaN.
        """
        if not self._file(ctx).exists():
            raise SettingError(f"There is no trained supernet in {ctx.workdir}: call `fit` first.")
        about = self, ctx.space, ctx.task, ctx.seed, ctx.device
        supernet = _SUPERNETS.get(self._file(ctx), about, partial(self._trained, ctx)).eval()
        if self.batch_norm == "recalibrated":
            scores = np.array([self._recalibrated(supernet, arch, ctx) for arch in archs])
        else:
            use_batch_statistics(supernet)
            metrics = self._evaluate(supernet, archs, ctx)
            scores = np.array([metrics[arch] for arch in archs])
        if np.isnan(scores).any():
            reasons = {(int(i), 0): no_metric("validation") for i in np.flatnonzero(np.isnan(scores))}
            raise PartialScoringError(scores, reasons)
        return scores

    def _trained(self, ctx: Context) -> nn.Module:
        """Return the supernet with the weights of its checkpoint."""
        supernet = build_supernet(ctx.space, ctx.task, ctx.seed)
        load_checkpoint(self._file(ctx), supernet)
        return laid_out(supernet, ctx.device)

    def check_sampling(self, space: SearchSpace) -> None:
        """Check that the space allows the chosen sampling of paths.

        Raises:
            SettingError: they cannot.
        """
        if self.sampling == "fair":
            paths.check_fair(space)
        if self.sampling == "sandwich":
            paths.check_sandwich(space)

    def _sampler(self, space: SearchSpace) -> Callable[[SearchSpace, np.random.Generator], Iterator[Architecture]]:
        """Return the function that draws the paths of a step."""
        self.check_sampling(space)
        if self.sampling == "sandwich":
            return partial(paths.sandwich, count=self.random_paths)
        return paths.fair if self.sampling == "fair" else paths.uniform

    def _recalibrated(self, supernet: nn.Module, arch: Architecture, ctx: Context) -> float:
        """Return the metric of one path with its own batch-normalisation statistics."""
        norms = [m for m in supernet.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        rng = generator(ctx.seed, "batch", "recalibration")
        batches = ctx.task.batches("train", batch_size=self.batch_size, rng=rng, device=ctx.device)
        with torch.no_grad():
            for inputs, _ in first_items(batches, self.recalibration_batches * self.batch_size):
                supernet(as_inputs(inputs), arch)
        supernet.eval()
        return self._evaluate(supernet, [arch], ctx)[arch]

    def _evaluate(self, supernet: nn.Module, archs: Sequence[Architecture], ctx: Context) -> dict[Architecture, float]:
        """Return the metric of each path in the supernet's current mode."""

        def outputs(inputs: Given) -> Iterator[tuple[Architecture, Tensor]]:
            return each_path(supernet, archs, inputs, may_share=ctx.space.is_shareable)

        return evaluate_each(
            outputs,
            ctx.task,
            "validation",
            batch_size=self.batch_size,
            limit=self.scoring_items,
            device=ctx.device,
        )

    @property
    def recipe(self) -> Recipe:
        """The recipe for training the supernet."""
        return self._recipe()

    def _recipe(self) -> Recipe:
        return Recipe(
            horizon=self.epochs,
            learning_rate=self.learning_rate,
            final_learning_rate=self.final_learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            clip=self.clip,
        )

    def _file(self, ctx: Context) -> Path:
        return ctx.workdir / "supernet.pt"


def each_path(
    supernet: Any, archs: Sequence[Architecture], inputs: Given, *, may_share: bool
) -> Iterator[tuple[Architecture, Tensor]]:
    """Yield every path with its outputs; in a chain whose paths may share, common prefixes are evaluated once."""
    if not (may_share and is_chain(supernet)):
        for arch in archs:
            yield arch, supernet(as_inputs(inputs), arch)
        return
    for arch, before_head in walk(supernet, archs, inputs, lambda piece, x: piece(x)):
        yield arch, supernet.head(before_head)


def use_batch_statistics(network: nn.Module) -> None:
    """Make every batch normalisation use its batch's statistics, whatever the network's mode."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
