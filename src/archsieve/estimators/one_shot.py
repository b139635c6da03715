"""One-shot: a supernet trained once, every architecture scored with its weights (arXiv 1904.00420)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from torch import Tensor, nn

from archsieve.errors import SettingError
from archsieve.networks import build_supernet
from archsieve.training import Recipe, epochs_trained, evaluate, load_checkpoint, train

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from archsieve.estimator import Context, Scores
    from archsieve.space import Architecture


@dataclass(frozen=True)
class OneShot:
    """Scores an architecture by the validation metric of its path through a trained supernet.

    Training draws one path a step, uniformly (single path, Guo et al., arXiv 1904.00420), with the settings of "Good
    Performance Estimation strategies are All You Need in NAS" (TPAMI 2025) as defaults: SGD, cosine over `epochs`.
    Batch normalisation uses batch statistics, in training and in scoring, since running statistics mix all paths.

    Args:
        epochs: passes over the training split.
        learning_rate: at the start.
        final_learning_rate: at the end.
        momentum: of SGD.
        weight_decay: of SGD.
        batch_size: of a training step.
        clip: largest norm of the gradient.
        scoring_items: validation items to score on; None for all.
    """

    epochs: int = 50
    learning_rate: float = 0.025
    final_learning_rate: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 3e-4
    batch_size: int = 64
    clip: float = 5.0
    scoring_items: int | None = None
    name: ClassVar[str] = "one_shot"
    version: ClassVar[int] = 1
    learns_from_pool: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ("data", "labels")

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.epochs < 1:
            raise SettingError(f"`epochs >= 1` must hold, but got epochs={self.epochs}.")
        self._recipe()
        if self.scoring_items is not None and self.scoring_items < 1:
            raise SettingError(f"`scoring_items >= 1` must hold, but got scoring_items={self.scoring_items}.")

    def fit(self, pool: Sequence[Architecture], ctx: Context, scores: Any) -> None:
        """Train the supernet, going on from its last whole epoch.

        Raises:
            SettingError: the space has no supernet.
        """
        if epochs_trained(self._file(ctx)) >= self.epochs:
            return
        supernet = build_supernet(ctx.space, ctx.task, ctx.seed)

        def forward(inputs: Tensor, choices: np.random.Generator) -> Tensor:
            return supernet(inputs, ctx.space.sample(choices))  # type: ignore[no-any-return]

        train(
            supernet,
            ctx.task,
            self._recipe(),
            epochs=self.epochs,
            seed=ctx.seed,
            device=ctx.device,
            checkpoint=self._file(ctx),
            forward=forward,
        )

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the metric of each path on the validation split, shape (n,), higher is better.

        Raises:
            SettingError: the supernet is not trained.
        """
        if not self._file(ctx).exists():
            raise SettingError(f"There is no trained supernet in {ctx.workdir}: call `fit` first.")
        supernet = build_supernet(ctx.space, ctx.task, ctx.seed)
        load_checkpoint(self._file(ctx), supernet)
        use_batch_statistics(supernet.to(ctx.device).eval())

        def metric(arch: Architecture) -> float:
            return evaluate(
                lambda inputs: supernet(inputs, arch),
                ctx.task,
                "validation",
                limit=self.scoring_items,
                device=ctx.device,
            )

        return np.array([metric(arch) for arch in archs])

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


def use_batch_statistics(network: nn.Module) -> None:
    """Let every batch normalisation use the statistics of its batch, whatever the network's mode."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
