"""A recipe: the settings of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Literal

from archsieve.errors import SettingError
from archsieve.values import check_finite, check_whole

_ADDED = {"added": True}
_LARGEST = 1e30  # of rates and factors: beyond, float32 overflows in the first step
_FIRST = 1e-6  # of the rate, in the first step of a warm-up by steps


@dataclass(frozen=True)
class Recipe:
    """An optimiser, a learning rate schedule by epoch or step, and regularisation.

    Args:
        horizon: epochs over which the learning rate falls from `learning_rate` to `final_learning_rate`. It does not
            depend on how many epochs are trained; beyond the horizon the rate stays.
        learning_rate: the highest learning rate.
        final_learning_rate: the learning rate at the end of the horizon.
        momentum: momentum of SGD.
        nesterov: whether SGD uses Nesterov's momentum.
        weight_decay: weight decay of the optimiser.
        batch_size: items in each step.
        clip: largest global norm of the gradient; infinite for no clipping.
        schedule: "cosine" or "linear".
        warm_up: number of first epochs in which the rate rises in equal steps to `learning_rate`. The schedule then
            continues where it would be without a warm-up.
        cool_down: number of last epochs of the linear schedule in which the remaining rate falls in equal steps.
        by_step: change the rate after every step instead of every epoch.
        warm_up_steps: number of first steps in which the rate rises linearly from a millionth of the schedule; needs
            `by_step`.
        optimiser: "sgd" or "adamw" (arXiv 1711.05101).
        betas: the two betas of AdamW.
        head_factor: factor of the learning rate of the network's module `head`.
        norm_decay: whether weight decay applies to normalisations too.
        label_smoothing: share of the target that the training loss spreads over all classes, in [0, 1).
        auxiliary_weight: weight of the loss of an auxiliary head, in networks that have one.
        drop_path: probability of drop path at the end of the horizon; 0 leaves the network's own.
        first_drop_path: probability of drop path at the beginning; it changes linearly with the epochs.
        micro_batches: number of parts in which a batch passes through the network, to save memory. The gradient is
            that of the whole batch, but each part has its own batch statistics.
    """

    horizon: int
    learning_rate: float
    final_learning_rate: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    batch_size: int = 64
    clip: float = 5.0
    schedule: Literal["cosine", "linear"] = "cosine"
    warm_up: int = 0
    cool_down: int = 0
    label_smoothing: float = 0.0
    auxiliary_weight: float = 0.0
    drop_path: float = 0.0
    micro_batches: int = 1
    by_step: bool = field(default=False, metadata=_ADDED)
    warm_up_steps: int = field(default=0, metadata=_ADDED)
    optimiser: Literal["sgd", "adamw"] = field(default="sgd", metadata=_ADDED)
    betas: tuple[float, ...] = field(default=(0.9, 0.999), metadata=_ADDED)
    head_factor: float = field(default=1.0, metadata=_ADDED)
    norm_decay: bool = field(default=True, metadata=_ADDED)
    first_drop_path: float = field(default=0.0, metadata=_ADDED)

    def __post_init__(self) -> None:
        """Check the settings; a list of betas becomes a tuple."""
        object.__setattr__(self, "betas", tuple(self.betas))
        for name in [f.name for f in fields(self)] + ["betas"]:
            value = getattr(self, name)
            if value != value or (name == "betas" and any(beta != beta for beta in self.betas)):
                raise SettingError(f"Settings must be numbers, but got {name}={value}.")
        for name in ("horizon", "batch_size", "warm_up", "cool_down", "warm_up_steps", "micro_batches"):
            check_whole(name, getattr(self, name))
        if self.horizon < 1 or self.batch_size < 1:
            settings = f"horizon={self.horizon} (`epochs` in a recipe file), batch_size={self.batch_size}"
            raise SettingError(f"`horizon >= 1` and `batch_size >= 1` must hold, but got {settings}.")
        if not 0 <= self.weight_decay < math.inf or not 0 <= self.momentum < math.inf:
            raise SettingError(
                f"`weight_decay` and `momentum` must be finite and not negative, but got {self.weight_decay} and "
                f"{self.momentum}."
            )
        if self.momentum >= 1:
            raise SettingError(f"`0 <= momentum < 1` must hold, but got momentum={self.momentum}.")
        if self.nesterov and self.momentum <= 0:
            raise SettingError(f"`nesterov` needs `momentum > 0`, but got momentum={self.momentum}.")
        if self.learning_rate <= 0 or self.clip <= 0:
            settings = f"learning_rate={self.learning_rate}, clip={self.clip}"
            raise SettingError(f"`learning_rate > 0` and `clip > 0` must hold, but got {settings}.")
        if self.learning_rate == math.inf:
            raise SettingError(f"`learning_rate` must be finite, but got learning_rate={self.learning_rate}.")
        if not 0 <= self.final_learning_rate <= self.learning_rate:
            raise SettingError(
                f"`0 <= final_learning_rate <= learning_rate` must hold, but got {self.final_learning_rate} and "
                f"{self.learning_rate}."
            )
        for name in ("learning_rate", "weight_decay", "auxiliary_weight", "head_factor"):
            check_finite(name, getattr(self, name), most=_LARGEST)
        self._check_optimiser()
        self._check_schedule()
        for name in ("label_smoothing", "drop_path", "first_drop_path"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(f"`0 <= {name} < 1` must hold, but got {getattr(self, name)}.")
        self.micro_batch_size(1)

    def _check_optimiser(self) -> None:
        if self.optimiser not in ("sgd", "adamw"):
            raise SettingError(f"`optimiser` must be 'sgd' or 'adamw', but got {self.optimiser!r}.")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise SettingError(f"`betas` must be two numbers in [0, 1), but got {self.betas}.")
        if not 0 < self.head_factor < math.inf:
            raise SettingError(f"`0 < head_factor < inf` must hold, but got {self.head_factor}.")

    def _check_schedule(self) -> None:
        if self.schedule not in ("cosine", "linear"):
            raise SettingError(f"`schedule` must be 'cosine' or 'linear', but got {self.schedule!r}.")
        if self.warm_up < 0 or self.cool_down < 0 or self.warm_up + self.cool_down > self.horizon - 1:
            raise SettingError(
                f"`warm_up` and `cool_down` must leave at least one epoch of the horizon between them, but got "
                f"{self.warm_up} and {self.cool_down} of {self.horizon}."
            )
        if self.cool_down and self.schedule != "linear":
            raise SettingError(f"`cool_down` needs the linear schedule, but got schedule={self.schedule!r}.")
        if self.warm_up_steps < 0 or (self.warm_up_steps and not self.by_step):
            raise SettingError(
                f"`warm_up_steps >= 0` must hold, and 0 unless `by_step`, but got {self.warm_up_steps} with "
                f"by_step={self.by_step}."
            )
        if self.by_step and (self.warm_up or self.cool_down):
            raise SettingError(
                f"`warm_up` and `cool_down` need a rate that changes by the epoch, but got {self.warm_up} and "
                f"{self.cool_down} "
                f"with by_step=True: use `warm_up_steps`."
            )

    def rate(self, epoch: float) -> float:
        """Return the learning rate of an epoch, from 0; for a schedule by step, at a fractional epoch.

        >>> [round(Recipe(horizon=2, learning_rate=0.1).rate(e), 3) for e in (0, 1, 2, 3)]
        [0.1, 0.05, 0.0, 0.0]
        >>> line = Recipe(horizon=5, learning_rate=1.0, schedule="linear", cool_down=1)
        >>> [round(line.rate(e), 3) for e in range(6)]
        [1.0, 0.75, 0.5, 0.25, 0.25, 0.0]
        """
        if epoch < self.warm_up:
            return self.learning_rate * (epoch + 1) / self.warm_up
        span = self.learning_rate - self.final_learning_rate
        if self.schedule == "cosine":
            share = min(epoch / self.horizon, 1.0)
            return self.final_learning_rate + span * (1 + math.cos(math.pi * share)) / 2
        remaining, line = max(self.horizon - epoch, 0), self.horizon - self.cool_down
        share = (
            (remaining - self.cool_down) / line
            if remaining > self.cool_down
            else remaining / (max(self.cool_down, 1) * line)
        )
        return self.final_learning_rate + span * share

    def rate_at(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, from 0, with `steps` steps per epoch.

        >>> line = Recipe(horizon=2, learning_rate=1.0, schedule="linear", by_step=True, warm_up_steps=2)
        >>> [round(line.rate_at(step, 2), 3) for step in range(5)]
        [0.0, 0.375, 0.5, 0.25, 0.0]
        """
        if not self.by_step:
            return self.rate(step // steps)
        remaining = max(1 - step / self.warm_up_steps, 0.0) if self.warm_up_steps else 0.0
        return self.rate(step / steps) * (1 - remaining * (1 - _FIRST))

    def drop_path_at(self, epoch: int) -> float:
        """Return the probability of drop path in an epoch, counted from 0.

        >>> [Recipe(horizon=4, learning_rate=0.1, drop_path=0.2).drop_path_at(e) for e in (0, 1, 4, 9)]
        [0.0, 0.05, 0.2, 0.2]
        """
        share = min(epoch / self.horizon, 1.0)
        return self.first_drop_path + (self.drop_path - self.first_drop_path) * share

    def micro_batch_size(self, processes: int) -> int:
        """Return the number of items processed at once if that many processes share a batch.

        Raises:
            SettingError: a batch cannot be parted so.
        """
        parts = self.micro_batches * processes
        if self.micro_batches < 1 or self.batch_size % parts:
            raise SettingError(
                f"A batch must divide evenly, but got batch_size={self.batch_size} for {self.micro_batches} "
                f"micro-batches in each of {processes} processes."
            )
        return self.batch_size // parts
