"""The one training loop: supernets and partial training; exact to resume, deterministic by seed."""

from __future__ import annotations

import math
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from archsieve.errors import RunFolderError, SettingError
from archsieve.files import replace_file
from archsieve.networks import drawing
from archsieve.randomness import derive_seed, generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import numpy as np

    from archsieve.task import Split, Task

Forward: TypeAlias = "Callable[[Tensor, np.random.Generator], Tensor]"


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
) -> None:
    """Train `network`, in place, until it has seen `epochs` epochs in total.

    Order, augmentation and dropout of an epoch depend on seed and epoch alone, so that training in pieces equals
    training at once. `checkpoint` is read if it is there and written after every epoch.

    Args:
        network: moved to `device`, left in training mode.
        task: gives batches and loss.
        recipe: optimiser and schedule.
        epochs: at least as many as the checkpoint holds.
        seed: the run's seed.
        device: where to train.
        checkpoint: file to go on from and to keep.
        forward: computes the outputs from inputs and a generator of the step's choices; the network itself if None.
    """
    network.to(device).train()
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )
    begun = load_checkpoint(checkpoint, network, optimiser) if checkpoint and checkpoint.exists() else 0
    for epoch in range(begun, epochs):
        optimiser.param_groups[0]["lr"] = recipe.rate(epoch)
        order, choices = generator(seed, "train", epoch), generator(seed, "sample", epoch)
        batches = task.batches("train", batch_size=recipe.batch_size, rng=order, augment=True, device=device)
        with drawing(derive_seed(seed, "train", epoch), device):
            for inputs, targets in _joined(batches, least=min(2, recipe.batch_size)):  # one item has no statistics
                optimiser.zero_grad(set_to_none=True)
                outputs = network(inputs) if forward is None else forward(inputs, choices)
                task.loss(outputs, targets).backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
                optimiser.step()
        if checkpoint:
            _save_checkpoint(checkpoint, network, optimiser, epoch + 1)


def load_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> int:
    """Load weights, and the optimiser's state if one is given; return the epochs trained.

    Raises:
        RunFolderError: the file is damaged, or holds another network.
    """
    with _reading(path):
        state = _load(path)
        network.load_state_dict(state["network"])
        if optimiser is not None:
            optimiser.load_state_dict(state["optimiser"])
        return int(state["epochs"])


def epochs_trained(path: Path) -> int:
    """Return the epochs a checkpoint holds, 0 where there is none.

    Raises:
        RunFolderError: the file is damaged.
    """
    if not path.exists():
        return 0
    with _reading(path):
        return int(_load(path)["epochs"])


def evaluate(
    forward: Callable[[Tensor], Tensor],
    task: Task,
    split: Split,
    *,
    batch_size: int = 256,
    limit: int | None = None,
    device: str = "cpu",
) -> float:
    """Return the task's metric, as a score (higher is better), over the first `limit` items of a split, or all.

    Every item counts once. A last batch smaller than half is joined to the one before, so that batch statistics, where
    the network uses them, are never those of a few items.

    Raises:
        SettingError: the split is empty.
    """
    metric, items = task.metric(), 0
    with torch.no_grad():
        batches = _first(task.batches(split, batch_size=batch_size, device=device), limit)
        for inputs, targets in _joined(batches, least=batch_size // 2):
            metric.update(forward(inputs), targets)
            items += len(inputs)
    if not items:
        raise SettingError(f"The task {task.name!r} has nothing to score on in its split {split!r}.")
    return metric.compute() if task.higher_is_better else -metric.compute()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever reading a damaged checkpoint raises into one sentence."""
    try:
        yield
    except (FileNotFoundError, PermissionError):  # name the file themselves
        raise
    except Exception as error:  # torch raises a dozen kinds, OSError among them, by where the damage is
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise RunFolderError(
            f"The checkpoint {path} is damaged, or of another network: delete it to train anew. ({reason})"
        ) from error


def _load(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        if broken := archive.testzip():  # torch does not look at the checksums
            raise zipfile.BadZipFile(f"wrong checksum of {broken}")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _save_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, epochs: int) -> None:
    state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "epochs": epochs}
    with replace_file(path) as temporary:
        torch.save(state, temporary)


def _first(batches: Iterable[tuple[Tensor, Tensor]], limit: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    left = math.inf if limit is None else limit
    for inputs, targets in batches:
        take = int(min(left, len(inputs)))
        if take:
            yield inputs[:take], targets[:take]
        left -= take
        if left <= 0:
            return


def _joined(batches: Iterable[tuple[Tensor, Tensor]], least: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches, a last one of fewer than `least` items joined to the one before."""
    held: tuple[Tensor, Tensor] | None = None
    for batch in batches:
        if held is None:
            held = batch
        elif len(batch[0]) < least:
            held = torch.cat([held[0], batch[0]]), torch.cat([held[1], batch[1]])
        else:
            yield held
            held = batch
    if held is not None:
        yield held
