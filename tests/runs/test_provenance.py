"""What a result says that it was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest
import torch

from archsieve.runs import provenance as module
from archsieve.runs.provenance import folder_in_command, provenance


def test_it_names_command_device_workers_and_versions():
    made_with = provenance("archsieve search demo", "cuda:1", 3)
    assert (made_with.command, made_with.device, made_with.workers) == ("archsieve search demo", "cuda:1", 3)
    assert made_with.versions["python"] == platform.python_version()
    assert made_with.versions["numpy"] == np.__version__
    assert torch.__version__.startswith(made_with.versions["torch"])
    assert platform.machine() in made_with.versions["system"]


def test_a_package_that_is_not_installed_is_left_out(monkeypatch):
    def without_torch(package):
        if package == "torch":
            raise PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(module, "version", without_torch)
    versions = provenance().versions
    assert "torch" not in versions
    assert "numpy" in versions


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("archsieve search p.toml --plugin 'a b.py' --plugin c.py --workers 2", "RUN --plugin 'a b.py' --plugin c.py"),
        ("archsieve search p.toml --allow-commands", "RUN"),  # a permission is the user's to give
        ("", "RUN"),  # called from Python
        ("archsieve 'search", "RUN"),
    ],
)
def test_a_later_command_names_the_plug_ins_of_the_search(command, words):
    assert folder_in_command("RUN", {"provenance": {"command": command}}) == words


def test_a_folder_with_a_blank_is_quoted():
    assert folder_in_command("my run", {}) == "'my run'"
