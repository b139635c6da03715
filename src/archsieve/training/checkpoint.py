"""Checkpoints of a training: reading one never runs code, and a damaged one gives a clear error."""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from archsieve._files import Remembered, State, artifact_name, check_artifact, replace_file, state_of
from archsieve._reading import check_file, quoted
from archsieve.errors import RunFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_LARGEST = 16 << 30  # bytes of a checkpoint


class Place(NamedTuple):
    """The progress of a training: complete epochs, and the state within the next one (empty at its start).

    `losses` and `seconds` are those of the epoch inside which it stands, or of the one last trained. `toward` says what
    was trained for, and `spent` the seconds of all processes that did so far.
    """

    epochs: int
    inside: dict[str, Any]
    losses: Tensor
    seconds: float
    toward: str = ""
    spent: float = 0.0


def save_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, place: Place) -> None:
    """Write weights, optimiser state and progress."""
    _save(path, {"network": network.state_dict(), "optimiser": optimiser.state_dict(), **place._asdict()})


def save_weights_of(path: Path, network: nn.Module, epochs: int, *, toward: str = "", spent: float = 0.0) -> None:
    """Write the weights of a network trained by other code; `load_checkpoint` reads them without an optimiser."""
    weights = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    state = {"network": weights, "optimiser": {}, "epochs": epochs, "inside": {}, "toward": toward, "spent": spent}
    _save(path, state)


def _save(path: Path, state: dict[str, Any]) -> None:
    with replace_file(path) as temporary, temporary.open("wb") as stream:
        noting = _Noting(stream)
        try:
            torch.save({**state, "about": artifact_name(path)}, cast("IO[bytes]", noting))
        except RuntimeError as error:  # by which torch hides that a write failed
            raise noting.failure or error from error


class _Noting:
    """A stream that remembers a write error."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write."""
        try:
            return self._stream.write(data)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        """Flush."""
        self._stream.flush()


def load_checkpoint(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> Place:
    """Load weights, and the optimiser state if an optimiser is given; return the progress.

    Raises:
        RunFolderError: the file is damaged, or holds another network.
    """
    with _reading(path):
        state = _taken(path)
        _check_numbers(state)
        network.load_state_dict(state["network"])
        if optimiser is not None:
            optimiser.load_state_dict(state["optimiser"])
        losses = state.get("losses", torch.empty(0))  # checkpoints from before there were any have none
        seconds, spent = float(state.get("seconds", 0.0)), float(state.get("spent", 0.0))
        return Place(int(state["epochs"]), dict(state["inside"]), losses, seconds, str(state.get("toward", "")), spent)


def epochs_trained(path: Path) -> int:
    """Return the complete epochs in a checkpoint; 0 without one.

    Raises:
        RunFolderError: the file is damaged.
    """
    return _progress(path).epochs if path.exists() else 0


def spent_toward(path: Path, toward: str) -> float:
    """Return the seconds that ended processes spent on a checkpoint; 0 if they trained for another purpose.

    Raises:
        RunFolderError: the file is damaged.
    """
    progress = _progress(path) if path.exists() else None
    return progress.spent if progress is not None and progress.toward == toward else 0.0


def is_beyond(path: Path, epochs: int) -> bool:
    """Whether a checkpoint holds more than `epochs` epochs, even partly; False without one.

    Raises:
        RunFolderError: the file is damaged.
    """
    if not path.exists():
        return False
    progress = _progress(path)
    return progress.epochs > epochs or (progress.epochs == epochs and progress.is_inside_another)


def _check_numbers(state: dict[str, Any]) -> None:
    """Check that weights, optimiser state and progress hold no NaN, which training would spread.

    Raises:
        ValueError: they do not.
    """
    waiting = [state["network"], state["optimiser"]]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
        elif isinstance(part, float | Tensor) and _has_nan(part):
            raise ValueError("it holds NaN")
    for seconds in (state.get("seconds", 0.0), state.get("spent", 0.0)):
        if not 0 <= int(state["epochs"]) < 10**9 or not 0 <= float(seconds) < float("inf"):
            raise ValueError("it holds no number of epochs or seconds")


def _has_nan(value: float | Tensor) -> bool:
    return bool(torch.isnan(value).any()) if isinstance(value, Tensor) else value != value


class _Progress(NamedTuple):
    """Complete epochs, whether another is in progress, and the seconds spent."""

    epochs: int
    is_inside_another: bool
    toward: str
    spent: float


_PROGRESS: Remembered[_Progress] = Remembered(most=1024)
_LATEST: dict[tuple[Path, State], dict[str, Any]] = {}  # read to see how far it is, and not loaded yet; at most one


def _progress(path: Path) -> _Progress:
    """Return the progress of a checkpoint; the contents are cached for `_taken`."""

    def read() -> _Progress:
        with _reading(path):
            before, state = state_of(path), _load(path)
            spent = float(state.get("spent", 0.0))
            progress = _Progress(int(state["epochs"]), bool(state["inside"]), str(state.get("toward", "")), spent)
            _LATEST.clear()
            _LATEST[path, before] = state
            return progress

    return _PROGRESS.get(path, None, read)


def _taken(path: Path) -> dict[str, Any]:
    """Return the contents of a checkpoint, owned by the caller, who may train the tensors in place."""
    known = _LATEST.pop((path, state_of(path)), None)
    return _load(path) if known is None else known


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn any error of reading a damaged checkpoint into one sentence."""
    try:
        yield
    except (FileNotFoundError, PermissionError):  # name the file themselves
        raise
    except Exception as error:  # torch raises a dozen kinds, OSError among them, by where the damage is
        reason = quoted(str(error).partition("\n")[0]) or type(error).__name__
        raise RunFolderError(
            f"The checkpoint {path} is damaged, or belongs to another network: delete it to train again. ({reason})"
        ) from error


def _load(path: Path) -> dict[str, Any]:
    check_file(path, _LARGEST)
    with zipfile.ZipFile(path) as archive:
        if sum(info.file_size for info in archive.infolist()) > _LARGEST:
            raise zipfile.BadZipFile(f"it unpacks to more than {_LARGEST:,} bytes")
        if broken := archive.testzip():  # torch does not look at the checksums
            raise zipfile.BadZipFile(f"wrong checksum of {broken}")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    check_artifact(path, state.get("about"))
    return state
