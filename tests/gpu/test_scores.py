"""Scores on a device: those of the CPU up to rounding, the same every time, and nothing of the caller's is changed."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from archsieve.errors import PartialScoringError, SettingError
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.contract import Context
from archsieve.estimators.size import MACS
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.networks.building import check_device
from archsieve.registry import PROXIES
from archsieve.runs.arithmetic import Arithmetic
from archsieve.runs.executors import Processes
from archsieve.runs.session import Session
from archsieve.spaces.contract import draw_distinct

from .small import ARCH, CELLS, MACRO, SPACES, TASK

SHIPPED = sorted(name for name in PROXIES if PROXIES[name].function.__module__.startswith("archsieve."))
# Sums of second derivatives of one sign or the other, quotients by differences of gradients, and logarithms near zero
# round more.
LOOSE = dict.fromkeys(("grasp", "plain", "lswag"), 0.05) | dict.fromkeys(
    ("az_expressivity", "az_progressivity", "az_trainability", "epe_nas", "jacov", "meco", "swap", "zico"), 0.02
)


def scores(names, archs, device, space=MACRO):
    members = [ZeroCost(name, batch_size=8) for name in names]
    try:
        return members[0].score_group(members, archs, Context(space, TASK, "unused", 0, device))
    except PartialScoringError as error:
        return error.scores


@pytest.mark.parametrize("name", SHIPPED)
def test_a_proxy_scores_as_on_the_cpu(name, device):
    for space in SPACES.values():
        archs = draw_distinct(space, 2, np.random.default_rng(4))
        there, here = (scores([name], archs, place, space) for place in (device, "cpu"))
        np.testing.assert_allclose(there, here, rtol=LOOSE.get(name, 2e-3), equal_nan=True)


def test_all_proxies_in_one_pass_are_each_alone(device):
    archs = draw_distinct(MACRO, 3, np.random.default_rng(4))
    together = scores(SHIPPED, archs, device)
    again = scores(SHIPPED[::-1], archs[::-1], device)[::-1, ::-1]
    np.testing.assert_allclose(together, again, rtol=1e-5 if device == "cuda" else 0, equal_nan=True)


def test_a_session_gives_back_the_generators_and_the_arithmetic(device, tmp_path):
    def state():
        there = [torch.cuda.get_rng_state(i) for i in range(torch.cuda.device_count())] if device == "cuda" else []
        cudnn = torch.backends.cudnn
        switches = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, torch.get_float32_matmul_precision()
        return [torch.get_rng_state(), *there], switches

    with Arithmetic(tf32=True, deterministic=False).applied(device):
        before = state()
        with Session(tmp_path, MACRO, TASK, device=device, tables=()) as session:
            session.scores([ZeroCost("zen", batch_size=8), OneShot(epochs=1, batch_size=16)], [ARCH, (0, 0, 0, 0)])
        after = state()
    assert all(map(torch.equal, before[0], after[0]))
    assert before[1] == after[1]


def test_a_folder_answers_for_its_device(device, tmp_path):
    archs = draw_distinct(MACRO, 4, np.random.default_rng(4))
    vote = Vote((ZeroCost("nwot", batch_size=8), ZeroCost("snip", batch_size=8), MACS()), quantile=0.5)
    for _ in range(2):
        with Session(tmp_path, MACRO, TASK, device=device, tables=()) as session:
            found = session.scores([vote, *vote.parts], archs)
            rows = [(row.name, row.key.estimator) for row in session._store.rows()]
    assert np.isfinite(found).all()
    assert len(rows) == 12
    with Session(tmp_path, MACRO, TASK, tables=()) as session:
        session.scores(vote.parts, archs)
        assert len(list(session._store.rows())) == (12 if device == "cpu" else 20)  # costs are the same everywhere


def test_a_worker_scores_as_this_process(device, tmp_path):
    archs = draw_distinct(MACRO, 3, np.random.default_rng(4))
    members = [ZeroCost(name, batch_size=8) for name in ("zen", "snip", "l2_norm")]
    with Session(tmp_path / "here", MACRO, TASK, device=device, tables=()) as session:
        here = session.scores(members, archs)
    with (
        Processes(1) as executor,
        Session(tmp_path / "there", MACRO, TASK, device=device, executor=executor, tables=()) as session,
    ):
        np.testing.assert_array_equal(session.scores(members, archs), here)


def test_what_was_scored_leaves_no_memory(device):
    if device == "cpu":
        assert scores(SHIPPED, [ARCH], device).shape == (1, len(SHIPPED))
        return
    scores(SHIPPED, [ARCH], device)  # the pictures stay on the device, and torch makes its workspaces
    gc.collect()
    before = torch.cuda.memory_allocated()
    for space in (MACRO, CELLS):
        scores(SHIPPED, draw_distinct(space, 4, np.random.default_rng(5)), device, space)
    gc.collect()
    assert torch.cuda.memory_allocated() <= before + 2**16


def test_products_are_exact_unless_tf32_is_asked_for(device):
    a, b = (torch.rand(256, 256, generator=torch.Generator().manual_seed(i)) for i in range(2))
    exact = a.double() @ b.double()

    def error(arithmetic):
        with arithmetic.applied(device):
            found = (a.to(device) @ b.to(device)).cpu().double()
        return float((found - exact).abs().max() / exact.abs().max())

    assert error(Arithmetic()) < 1e-6
    if device == "cuda" and torch.cuda.get_device_capability()[0] >= 8:
        assert 1e-5 < error(Arithmetic(tf32=True)) < 1e-2


def test_a_device_that_is_there_is_accepted(device):
    check_device(device)
    with pytest.raises(SettingError, match="cannot be used here"):
        check_device("cuda:99")
