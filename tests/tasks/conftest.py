"""A cache of decoded pictures that is not the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from archsieve.tasks.data import parquet_trial

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True, scope="session")
def _session_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHSIEVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _parquet_tried_here(request, monkeypatch):
    """Try parquet files in this process, which takes no second each; a test of the trial itself asks for `trial`."""
    if "trial" not in request.fixturenames:
        monkeypatch.setattr(parquet_trial, "try_first", lambda paths, _: [parquet_trial._read(p) for p in paths])


@pytest.fixture
def trial():
    """Let files be tried in a process of their own."""


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A cache folder of this test alone."""
    folder = tmp_path / "own-cache"
    monkeypatch.setenv("ARCHSIEVE_CACHE", str(folder))
    return folder


@pytest.fixture
def no_data(monkeypatch):
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
