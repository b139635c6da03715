"""Trained weights as safetensors files: tensors and text, no code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from archsieve._files import replace_file
from archsieve._reading import parse_json, quoted
from archsieve.errors import DataError, MissingDataError, SettingError, require

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

_ABOUT = "archsieve"


def save_weights(path: Path, network: nn.Module, about: Mapping[str, Any]) -> None:
    """Write a network's weights and statistics with a description of it (plain JSON values), atomically."""
    require("safetensors", "torch")
    from safetensors.torch import save_file

    # Copies, since what modules share may be written only once.
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    with replace_file(path) as temporary:
        save_file(state, temporary, metadata={"format": "pt", _ABOUT: json.dumps(about)})


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a file's tensors by name, and the description from `save_weights` (empty for files of other origin).

    Raises:
        MissingDataError: there is no such file.
        DataError: it is no whole safetensors file.
    """
    require("safetensors", "torch")
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise MissingDataError(f"There is no weights file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            about = (file.metadata() or {}).get(_ABOUT, "{}")
            described = parse_json(about)
            if not isinstance(described, dict):
                raise ValueError("it describes itself by something else than an object")  # noqa: TRY004, TRY301
            return {name: file.get_tensor(name) for name in file.keys()}, described  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"The file {path} is not a complete safetensors file: {quoted(error)}.") from error


def load_weights(path: Path, network: nn.Module) -> None:
    """Load a weights file into a network, in place; names must match exactly.

    Raises:
        MissingDataError: there is no such file.
        DataError: it is no whole safetensors file.
        SettingError: it does not fit; says how many tensors are missing, left over or of another shape, and one.
    """
    tensors = read_weights(path)[0]
    _check_fit(path, tensors, network.state_dict())
    network.load_state_dict(tensors)


def _check_fit(path: Path, tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    shapes = [
        f"{name} is {tuple(tensors[name].shape)} and not {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    kinds = (
        ("missing", [name for name in own if name not in tensors]),
        ("left over", [name for name in tensors if name not in own]),
        ("of another shape", shapes),
    )
    mismatches = [f"{len(names)} tensors are {what}, e.g. {quoted(names[0])}" for what, names in kinds if names]
    if mismatches:
        raise SettingError(f"The weights in {path} do not fit this network: {'; '.join(mismatches)}.")


class Loaded(NamedTuple):
    """Names of the tensors loaded from a file, and of the network's tensors that it lacks."""

    taken: tuple[str, ...]
    missing: tuple[str, ...]


def load_backbone(network: nn.Module, path: Path, *, prefix: str = "") -> Loaded:
    """Load tensors with matching name and shape from a file into a network, in place; return their names.

    A tensor matches if its name, behind `prefix`, and its shape are those of a tensor of the network. All others, such
    as another task's classifier, are ignored. Names are not translated: if another library built the backbone, rename
    its tensors when you write the file.

    Raises:
        MissingDataError: there is no such file.
        DataError: it is no whole safetensors file.
        SettingError: nothing in it fits.
    """
    tensors, own = read_weights(path)[0], network.state_dict()
    fitting = tuple(n for n in own if prefix + n in tensors and tensors[prefix + n].shape == own[n].shape)
    if not fitting:
        hint = f" behind the prefix {prefix!r}" if prefix else ""
        raise SettingError(
            f"The weights in {path} do not fit: none has the name{hint} and the shape of a tensor of the network, "
            f"e.g. {next(iter(own), '')}."
        )
    with torch.no_grad():
        for name in fitting:
            own[name].copy_(tensors[prefix + name])
    return Loaded(fitting, tuple(name for name in own if name not in set(fitting)))
