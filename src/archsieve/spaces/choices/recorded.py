"""Exploration results as text for a run folder, valid while the user's code is unchanged."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsieve.networks.form import Input
from archsieve.spaces.choices.deepening import by_labels
from archsieve.spaces.choices.exploration import Decision, Explored, digest_of
from archsieve.spaces.choices.player import layers_of
from archsieve.spaces.form import Form

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve.spaces.choices.player import Player

_VERSION = 1  # of the text, and of how a factory is explored


def as_text(explored: Explored, settings: str, factory: Callable[..., Any]) -> str:
    """Return exploration results as text, with a digest of the settings and of the code behind them."""
    return json.dumps({"key": _key(settings, factory), "explored": asdict(explored)}, indent=1)


def from_text(text: str, settings: str, factory: Callable[..., Any], player: Player) -> Explored | None:
    """Return the exploration results; None if the text is damaged or belongs to other settings or code.

    The default network and the largest one are built, and must be those of the text.
    """
    try:
        table = json.loads(text)
        explored = _explored(table["explored"])
        is_same = table["key"] == _key(settings, factory)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return explored if is_same and _is_of(explored, player) else None


def _key(settings: str, factory: Callable[..., Any]) -> str:
    """Return a digest of the settings, versions, and all modules beside the factory's."""
    import torch

    digest = hashlib.sha256(f"{_VERSION} {settings} {platform.python_version()} {torch.__version__}".encode())
    for path in _sources(factory):
        digest.update(f"{path.name} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _sources(factory: Callable[..., Any]) -> list[Path]:
    """Return the module files in or below the factory's folder, without installed packages."""
    file = getattr(sys.modules.get(factory.__module__), "__file__", None)
    if file is None:
        return []
    folder = Path(file).resolve().parent
    loaded = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    paths = (Path(name).resolve() for name in loaded if isinstance(name, str))
    below = (path for path in paths if path.is_relative_to(folder) and path.is_file())
    return sorted(path for path in below if "site-packages" not in path.relative_to(folder).parts)


def _explored(table: dict[str, Any]) -> Explored:
    decisions = [
        Decision(str(d["name"]), tuple(map(str, d["options"])), bool(d["is_module"])) for d in table["decisions"]
    ]
    form = table["form"]
    inputs = tuple(Input(**{**each, "shape": tuple(each["shape"])}) for each in form["inputs"])
    least, most = ((int(n), tuple((str(a), str(b)) for a, b in pairs)) for n, pairs in (table["least"], table["most"]))
    return Explored(
        tuple(decisions),
        Form(tuple(map(int, form["input_shape"])), int(form["num_outputs"]), inputs),
        str(table["prefix"]),
        str(table["layers"]),
        int(table["runs"]),
        least,
        most,
    )


def _is_of(explored: Explored, player: Player) -> bool:
    """Whether the factory still makes the recorded default network and largest network."""
    networks = [player.play(by_labels(dict(answers)), explored.form).network for answers in ((), explored.most[1])]
    digests = [None if network is None else digest_of(layers_of(network)) for network in networks]
    return None not in digests and digest_of([str(digest) for digest in digests]) == explored.layers
