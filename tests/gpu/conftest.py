"""Every test here is run on the CPU, which proves the test, and as a `gpu` test on a CUDA device where there is one."""

from __future__ import annotations

import pytest

from archsieve.runs.arithmetic import Arithmetic

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES)
def device(request):
    """Name the device, and compute exactly meanwhile, as a session does."""
    with Arithmetic().applied(request.param):
        yield request.param
