"""Checkpoints of a training: reading one never runs code, and a damaged one gives a clear error."""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from archsieve._atomic import replace_file
from archsieve.errors import RunFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Place(NamedTuple):
    """The progress of a training: complete epochs, and the state inside the next one, empty at its beginning.

    `losses` and `seconds` are those of the epoch inside which it stands, or of the one last trained.
    """

    epochs: int
    inside: dict[str, Any]
    losses: Tensor
    seconds: float


def save_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, place: Place) -> None:
    """Write weights, the optimiser's state and the place."""
    state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), **place._asdict()}
    with replace_file(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> Place:
    """Load weights, and the optimiser's state if one is given; return how far they were trained.

    Raises:
        RunFolderError: the file is damaged, or holds another network.
    """
    with _reading(path):
        state = _load(path)
        network.load_state_dict(state["network"])
        if optimiser is not None:
            optimiser.load_state_dict(state["optimiser"])
        losses = state.get("losses", torch.empty(0))  # checkpoints from before there were any have none
        return Place(int(state["epochs"]), dict(state["inside"]), losses, float(state.get("seconds", 0.0)))


def epochs_trained(path: Path) -> int:
    """Return the epochs a checkpoint holds, 0 where there is none.

    Raises:
        RunFolderError: the file is damaged.
    """
    if not path.exists():
        return 0
    with _reading(path):
        return int(_load(path)["epochs"])


def is_beyond(path: Path, epochs: int) -> bool:
    """Whether a checkpoint holds more than that many epochs, even a part of one more; False if there is none.

    Raises:
        RunFolderError: the file is damaged.
    """
    if not path.exists():
        return False
    with _reading(path):
        state = _load(path)
        return int(state["epochs"]) > epochs or (int(state["epochs"]) == epochs and bool(state["inside"]))


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
