"""Provenance of a result, so that a reader can reproduce it."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from archsieve._machine import model as processor

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
