"""Which tests run where: `data` tests need ARCHSIEVE_DATA, `gpu` tests an accelerator."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
import torch

from plugins import shipped as _before_any_test  # noqa: F401

os.environ.pop("COLUMNS", None)  # of the workers of pytest-xdist: it would fold tables as a terminal does
pytest.register_assert_rewrite("plugins.fixtures")  # a test module may import it before it is a plugin
torch.set_num_threads(1)  # as in a worker: sums then do not depend on the machine


OWN_FILES = (
    "nas-bench-macro_cifar10.json,nasbench201-cifar10.parquet,data.anb,published-proxies-nasbench201-cifar10.json,"
    "published-proxies-nasbench301-cifar10.json,digits.npz,nasbench301-standin.npz"
)


@pytest.fixture(autouse=True)
def own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests write benchmark files of their own; `tests/test_reading.py` tests reading without this."""
    monkeypatch.setenv("ARCHSIEVE_OWN_FILES", OWN_FILES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = os.environ.get("ARCHSIEVE_DATA", "")
    no_data = pytest.mark.skip(reason="ARCHSIEVE_DATA names no folder: see `archsieve data`")
    no_gpu = pytest.mark.skip(reason="no CUDA device here")
    for item in items:
        if item.get_closest_marker("data") and not (folder and Path(folder).is_dir()):
            item.add_marker(no_data)
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(no_gpu)


def pytest_collection_finish() -> None:
    """Leave torch and thousands of collected tests out of every later garbage collection."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """Fail a skipped `data` test where the data are required."""
    report = yield
    if report.skipped and item.get_closest_marker("data") and os.environ.get("ARCHSIEVE_REQUIRE_DATA"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped although ARCHSIEVE_REQUIRE_DATA is set: {report.longrepr}"
    return report
