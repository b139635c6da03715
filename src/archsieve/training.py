"""The one training loop: supernets and partial training; on the CPU exact to resume and deterministic by seed."""

from __future__ import annotations

import math
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from archsieve.checkpoint import Place, load_checkpoint, save_checkpoint
from archsieve.errors import SettingError, require
from archsieve.evaluation import joined
from archsieve.networks import channels_last, drawing, laid_out
from archsieve.randomness import derive_seed, generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import numpy as np

    from archsieve.task import Task

Forward: TypeAlias = "Callable[[Tensor, np.random.Generator], Iterable[Tensor]]"


@dataclass(frozen=True)
class Recipe:
    """SGD with a cosine learning rate.

    Args:
        horizon: epochs over which the rate falls from `learning_rate` to `final_learning_rate`, however many are
            trained; beyond it the rate stays.
        clip: largest global norm of the gradient.
    """

    horizon: int
    learning_rate: float
    final_learning_rate: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    batch_size: int = 64
    clip: float = 5.0

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.horizon < 1 or self.batch_size < 1:
            raise SettingError(f"`horizon >= 1` and `batch_size >= 1` must hold, but got {self}.")
        if self.nesterov and self.momentum <= 0:
            raise SettingError(f"`nesterov` needs `momentum > 0`, but got momentum={self.momentum}.")
        if self.learning_rate <= 0 or self.clip <= 0:
            raise SettingError(f"`learning_rate > 0` and `clip > 0` must hold, but got {self}.")

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0.

        >>> [round(Recipe(horizon=2, learning_rate=0.1).rate(e), 3) for e in (0, 1, 2, 3)]
        [0.1, 0.05, 0.0, 0.0]
        """
        share = min(epoch / self.horizon, 1.0)
        span = self.learning_rate - self.final_learning_rate
        return self.final_learning_rate + span * (1 + math.cos(math.pi * share)) / 2


def train(
    network: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    epochs: int,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
    forward: Forward | None = None,
    on_epoch: Callable[[int], None] | None = None,
    log: Path | None = None,
) -> None:
    """Train `network`, in place, until it has seen `epochs` epochs in total; on CUDA in mixed precision.

    Order, augmentation and dropout of an epoch depend on seed and epoch alone, so that training in pieces equals
    training at once. `checkpoint` is read if it is there and written after every epoch, and inside one when SIGTERM
    comes: training goes on after the last step taken.

    Args:
        network: moved to `device`, left in training mode.
        task: gives batches and loss.
        recipe: optimiser and schedule.
        epochs: at least as many as the checkpoint holds.
        seed: the run's seed.
        device: where to train.
        checkpoint: file to go on from and to keep.
        forward: yields outputs from inputs and a generator of the step's choices, one by one; their gradients are
            summed before the step is taken. The network itself if None.
        on_epoch: called with the epochs trained after each; what it draws or switches it puts back.
        log: folder for TensorBoard: training loss and learning rate of every epoch.

    Raises:
        MissingPackageError: `log` is given, and tensorboard is not installed.
    """
    laid_out(network, device).train()
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )
    trainer = _Trainer(network, optimiser, task, recipe, seed, device, checkpoint, forward or _whole(network))
    trainer.resume()
    with _scalars(log) as write:
        while trainer.epochs < epochs:
            if trainer.advance():
                write(trainer.epochs, {"loss": trainer.mean_loss, "learning_rate": trainer.rate})
                if on_epoch is not None:
                    on_epoch(trainer.epochs)


@dataclass
class _Trainer:
    """A network in training: whole epochs behind it, and where it stands inside one that SIGTERM cut off."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    task: Task
    recipe: Recipe
    seed: int
    device: str
    checkpoint: Path | None
    forward: Forward
    epochs: int = 0
    inside: dict[str, Any] = field(default_factory=dict)
    losses: list[Tensor] = field(default_factory=list)  # of the steps of this epoch that were taken here

    @property
    def rate(self) -> float:
        """The learning rate of the epoch last trained."""
        return float(self.optimiser.param_groups[0]["lr"])

    @property
    def mean_loss(self) -> float:
        """The mean over the losses of the epoch last trained."""
        return float(torch.stack(self.losses).mean()) if self.losses else math.nan

    def resume(self) -> None:
        """Load the checkpoint, if there is one."""
        if self.checkpoint and self.checkpoint.exists():
            self.epochs, self.inside = load_checkpoint(self.checkpoint, self.network, self.optimiser)

    def advance(self) -> bool:
        """Train one epoch, or the rest of it, and save; whether it was ended.

        On SIGTERM the place inside the epoch is saved, and the signal then takes its effect.
        """
        epoch, self.losses = self.epochs, []
        self.optimiser.param_groups[0]["lr"] = self.recipe.rate(epoch)
        order, choices = generator(self.seed, "train", epoch), generator(self.seed, "sample", epoch)
        size = self.recipe.batch_size
        batches = self.task.batches("train", batch_size=size, rng=order, augment=True, device=self.device)
        with _delayed_sigterm() as came, drawing(derive_seed(self.seed, "train", epoch), self.device):
            if self.inside:
                choices.bit_generator.state = self.inside["choices"]
                torch.default_generator.set_state(self.inside["draws"])
            whole = joined(batches, least=min(2, size))  # one item has no statistics
            for step, (inputs, targets) in enumerate(whole, 1):
                if step <= self.inside.get("steps", 0):
                    continue
                self._step(channels_last(inputs), targets, choices)
                if came():
                    draws = torch.default_generator.get_state()
                    self.inside = {"steps": step, "choices": choices.bit_generator.state, "draws": draws}
                    self._save()
                    return False
            self.epochs, self.inside = epoch + 1, {}
            self._save()
        return True

    def _step(self, inputs: Tensor, targets: Tensor, choices: np.random.Generator) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        outputs = iter(self.forward(inputs, choices))
        while (loss := self._next_loss(outputs, targets)) is not None:
            loss.backward()  # type: ignore[no-untyped-call]
            self.losses.append(loss.detach())
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimiser.step()

    def _next_loss(self, outputs: Iterator[Tensor], targets: Tensor) -> Tensor | None:
        """Return the loss of the next outputs, in bfloat16 on CUDA; None at the end."""
        kind = torch.device(self.device).type
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda"):
            following = next(outputs, None)
            return None if following is None else self.task.loss(following, targets)

    def _save(self) -> None:
        if self.checkpoint:
            save_checkpoint(self.checkpoint, self.network, self.optimiser, Place(self.epochs, self.inside))


def _whole(network: nn.Module) -> Forward:
    return lambda inputs, choices: [network(inputs)]


@contextmanager
def _scalars(folder: Path | None) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Give a function that writes the figures of an epoch to TensorBoard's folder, or nowhere."""
    if folder is None:
        yield lambda epoch, figures: None
        return
    require("tensorboard", "tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def write(epoch: int, figures: dict[str, float]) -> None:
            for name, value in figures.items():
                writer.add_scalar(name, value, epoch)
            writer.flush()

        yield write


@contextmanager
def _delayed_sigterm() -> Iterator[Callable[[], bool]]:
    """Give whether SIGTERM has come; it takes its effect at the end. Only the main thread can hear it."""
    came = False

    def hear(*_: object) -> None:
        nonlocal came
        came = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGTERM, hear)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTERM, before)
        if came:
            signal.raise_signal(signal.SIGTERM)
