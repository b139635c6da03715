"""Provenance of a result, so that a reader can reproduce it."""

from __future__ import annotations

import platform
import shlex
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from archsieve._machine import model as processor

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGES = ("archsieve", "numpy", "scipy", "scikit-learn", "torch")


@dataclass(frozen=True)
class Provenance:
    """The command (empty if called from Python), device, workers, versions by name, and processor."""

    command: str
    device: str
    workers: int
    versions: dict[str, str] = field(default_factory=dict)
    processor: str = ""


def provenance(command: str = "", device: str = "cpu", workers: int = 1) -> Provenance:
    """Return the provenance of this process."""
    versions = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return Provenance(command, device, workers, versions, processor())


def folder_in_command(folder: str, result: Mapping[str, Any]) -> str:
    """Return a run folder as a command takes it, with the plug-ins of its search.

    Permissions are left out: the folder may be a stranger's, and only the user gives them.

    >>> folder_in_command("my run", {"provenance": {"command": "archsieve search p.toml --plugin net.py"}})
    "'my run' --plugin net.py"
    """
    try:
        words = shlex.split((result.get("provenance") or {}).get("command") or "")
    except ValueError:  # an unbalanced quotation mark: no command of ours
        words = []
    plugins = [word for name, word in pairwise(words) if name == "--plugin"]
    options = [text for plugin in plugins for text in ("--plugin", plugin)]
    return shlex.join([folder, *options])
