"""The laws of an estimator for every registered proxy, and golden values against silent change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from archsieve.errors import PartialScoringError
from archsieve.estimators.contract import Context
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.registry import PROXIES
from archsieve.spaces.contract import draw_distinct
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import EstimatorContract
from plugins.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Iterable

GOLDEN = Path(__file__).with_name("golden.json")
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=40, test_images=10)
SPACES = {
    "macro": NASBenchMacro(stem_width=4, widths=(6, 8), stages=(2, 3), head_width=10),
    "cells": NASBench201(width=4, cells=1, stages=2),
    "darts": DARTS(width=4, layers=3),
}
RECORDED = {**SPACES, "darts-bare-pools": DARTS(width=4, layers=3, pool_norm=False)}
"""Those with golden values."""
EMPTY_CELL = (0,) * 6
SHIPPED = sorted(shipped(PROXIES))
FOR_ATTENTION = {"dss"}
"""These refuse a network without attention; their laws are in `test_newest_proxies`."""
ANYWHERE = [name for name in SHIPPED if name not in FOR_ATTENTION]
REFUSED = {"darts": {"jacov", "epe_nas", "synflow_bn"}}
"""What reads gradients of the summed outputs: paths of DARTS end in a normalisation, so that the sum is constant."""


class TestEveryProxy(EstimatorContract):
    task = TASK

    @pytest.fixture(
        autouse=True, params=[(p, s) for s in SPACES for p in ANYWHERE if p not in REFUSED.get(s, ())], ids="-".join
    )
    def _proxy(self, request):
        name, space = request.param
        self.estimator, self.space = ZeroCost(name, batch_size=8), SPACES[space]


@pytest.mark.parametrize("space", list(SPACES))
def test_all_proxies_in_one_pass_are_each_alone(space, tmp_path):
    ctx = Context(SPACES[space], TASK, tmp_path)
    archs = draw_distinct(SPACES[space], 2, np.random.default_rng(4))
    members = [ZeroCost(name, batch_size=8) for name in ANYWHERE if name not in REFUSED.get(space, ())]
    together = members[0].score_group(members, archs, ctx)
    assert together.shape == (2, len(members))
    for column, member in zip(together.T, members, strict=True):
        assert column.tobytes() == member.score(archs, ctx).tobytes()
    backwards = members[0].score_group(members[::-1], archs, ctx)
    assert backwards[:, ::-1].tobytes() == together.tobytes()


@pytest.mark.parametrize("space", list(SPACES))
def test_the_default_precision_of_torch_changes_no_score(space, tmp_path):
    """A plug-in, or a caller, may have set it: noise and redrawn weights are drawn in single precision anyway."""
    ctx = Context(SPACES[space], TASK, tmp_path)
    archs = draw_distinct(SPACES[space], 2, np.random.default_rng(4))
    names = [name for name in ANYWHERE if name not in REFUSED.get(space, ())]
    members = [ZeroCost(name, batch_size=8) for name in names]
    before, usual = members[0].score_group(members, archs, ctx), torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        scores = members[0].score_group(members, archs, ctx)
    finally:
        torch.set_default_dtype(usual)
    assert [name for name, x, y in zip(names, scores.T, before.T, strict=True) if x.tobytes() != y.tobytes()] == []


def test_a_cell_that_connects_nothing(tmp_path):
    ctx = Context(SPACES["cells"], TASK, tmp_path)
    members = [ZeroCost(name, batch_size=8) for name in ANYWHERE]
    with pytest.raises(PartialScoringError) as failed:
        members[0].score_group(members, [EMPTY_CELL, (3,) * 6], ctx)
    scores = dict(zip(ANYWHERE, failed.value.scores.T, strict=True))
    refused = {ANYWHERE[column]: reason for (row, column), reason in failed.value.reasons.items() if row == 0}
    assert set(refused) == {"jacov", "epe_nas"}  # no input changes the output
    assert all("do not depend on every input" in reason for reason in refused.values())
    assert {row for row, _ in failed.value.reasons} == {0}
    found = {name: scores[name][0] for name in scores}
    assert all(np.isnan(found[name]) for name in refused)
    bottomless = {name for name in found if found[name] == -np.inf}
    assert bottomless == {"nwot", "zen", "synflow_log", "az_trainability", "wrcor"}
    # Only the classifier's bias has a gradient, and it is not counted.
    nothing = {name for name in found if found[name] == 0}
    assert nothing == {"grad_norm", "snip", "plain", "grasp", "synflow", "synflow_bn", "gradsign", "zico"} | {
        "az_expressivity",
        "az_progressivity",
        "lswag",
    }
    assert found["vkdnw"] == 5  # layers
    assert found["l2_norm"] > 0
    assert all(np.isfinite(scores[name][1]) for name in scores)


def test_one_cell_that_cannot_be_scored_alone(tmp_path):
    with pytest.raises(PartialScoringError, match="1 scores could not be computed; the first: The outputs do not dep"):
        ZeroCost("jacov", batch_size=8).score([(3,) * 6, EMPTY_CELL], Context(SPACES["cells"], TASK, tmp_path))


@pytest.mark.parametrize("name", sorted(REFUSED["darts"]))
def test_scores_that_would_be_rounding_error_are_refused(name, tmp_path):
    archs = draw_distinct(SPACES["darts"], 2, np.random.default_rng(4))
    with pytest.raises(
        PartialScoringError, match=r"every path ends in a batch normalisation .* is rounding error"
    ) as error:
        ZeroCost(name, batch_size=8).score(archs, Context(SPACES["darts"], TASK, tmp_path))
    assert np.isnan(error.value.scores).all()


def compute_golden(
    folder: Path, names: Iterable[str] = RECORDED, count: int = 10
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the scores by space, code and proxy, of the first codes of ten."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name in names:
        space = RECORDED[name]
        archs = draw_distinct(space, 10, np.random.default_rng(2))[:count]
        asked = [proxy for proxy in ANYWHERE if proxy not in REFUSED.get(name, ())]
        members = [ZeroCost(proxy, batch_size=16) for proxy in asked]
        scores = members[0].score_group(members, archs, Context(space, TASK, folder))
        found[name] = {
            "".join(map(str, arch)): dict(zip(asked, map(float, row), strict=True))
            for arch, row in zip(archs, scores, strict=True)
        }
    return found


@pytest.mark.parametrize("count", [4, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize("space", list(RECORDED))
def test_golden_values(space, count, tmp_path):
    # Not exact: other processors and other builds of torch add the products of a convolution in another order.
    # What differences are taken of cancels, so that their error is measured by the largest of the column;
    # zico and lswag divide by the difference of two gradients that may agree to the last digits.
    recorded, found = json.loads(GOLDEN.read_text())[space], compute_golden(tmp_path, [space], count)[space]
    assert list(recorded)[:count] == list(found)
    names = set(ANYWHERE) - REFUSED.get(space, set())
    assert all(set(row) == names for row in recorded.values())
    for proxy in names:
        expected = np.array([row[proxy] for row in recorded.values()])
        tolerance = 1e-4 * np.abs(expected).max() if proxy in ("plain", "grasp", "az_progressivity") else 0.0
        np.testing.assert_allclose(
            [row[proxy] for row in found.values()],
            expected[:count],
            rtol=1e-2 if proxy in ("zico", "lswag") else 1e-4,
            atol=tolerance,
            err_msg=proxy,
        )


if (
    __name__ == "__main__"
):  # run from tests/ as `python -m estimators.zero_cost.test_every_proxy` after a change that is meant
    GOLDEN.write_text(json.dumps(compute_golden(Path("unused")), indent=1) + "\n")
