"""Repetitions of a proxy, and the rank by how often one network's beat another's; the aggregate of VKDNW by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from archsieve.errors import SettingError
from archsieve.estimators.combined.repeated import Repeated, Repetition
from archsieve.estimators.combined.vkdnw import VKDNWAggregate
from archsieve.estimators.contract import Context
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.plans.parts import make
from archsieve.registry import ESTIMATORS
from archsieve.runs.session import Session
from archsieve.spaces.contract import draw_distinct
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic

SPACE = NASBenchMacro(stem_width=4, widths=(6, 8), stages=(2, 3), head_width=10)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=40, test_images=10)
SNIP = ZeroCost("snip", batch_size=8)
ARCHS = draw_distinct(SPACE, 4, np.random.default_rng(0))


def test_the_probability_to_beat_another_by_hand():
    # Draws of two networks: (1, 4) and (2, 3). Of the four pairs the first wins 4 > 2 and 4 > 3: one half, as in the
    # comparison with itself. A third, (5, 6), wins all of these; itself is one half.
    columns = np.array([[1.0, 4], [2, 3], [5, 6]])
    found = Repeated(SNIP, 2).combine(columns, columns)
    assert found == pytest.approx([(0.5 + 0.5 + 0) / 3, (0.5 + 0.5 + 0) / 3, (1 + 1 + 0.5) / 3])
    # Ties are half a win, and what could not be scored is below everything.
    columns = np.array([[1.0, np.nan], [1, 2]])
    assert Repeated(SNIP, 2).combine(columns, columns) == pytest.approx([(0.5 + 0.125) / 2, (0.875 + 0.5) / 2])


def test_what_dominates_ranks_above():
    """Whatever the pool: if every quantile of one is above that of the other, so is its score."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(30, 5))
    columns[1] = rng.permutation(np.sort(columns[0]) + rng.uniform(0, 1, 5))
    scores = Repeated(SNIP, 5).combine(columns, columns)
    assert scores[1] >= scores[0]
    assert Repeated(SNIP, 5).combine(np.exp(columns), np.exp(columns)) == pytest.approx(scores)
    order = rng.permutation(5)  # which repetition comes first tells nothing
    assert Repeated(SNIP, 5).combine(columns[:, order], columns[:, order]) == pytest.approx(scores)


def test_repetitions_differ_and_the_first_is_the_proxy_itself(tmp_path):
    ctx = Context(SPACE, TASK, tmp_path)
    columns = [part.score(ARCHS, ctx) for part in Repeated(SNIP, 3).parts]
    assert columns[0].tobytes() == SNIP.score(ARCHS, ctx).tobytes()
    assert len({column.tobytes() for column in columns}) == 3
    again = Repetition(SNIP, 2).score(ARCHS[::-1], ctx)[::-1]
    assert again.tobytes() == columns[2].tobytes()


def test_repetitions_of_several_proxies_share_networks(tmp_path):
    members = [Repetition(ZeroCost(name, batch_size=8), 1) for name in ("snip", "nwot")]
    assert members[0].group == members[1].group != Repetition(SNIP, 2).group
    together = members[0].score_group(members, ARCHS, Context(SPACE, TASK, tmp_path))
    for column, member in zip(together.T, members, strict=True):
        assert column.tobytes() == member.score(ARCHS, Context(SPACE, TASK, tmp_path)).tobytes()


def test_a_session_stores_each_repetition(tmp_path):
    estimator = make("estimator", {"name": "repeated", "estimator": "snip", "repeats": 3})
    with Session(tmp_path, SPACE, TASK) as session:
        scores = session.scores([estimator], ARCHS)[:, 0]
    assert scores.mean() == pytest.approx(0.5)
    assert (estimator.name, [part.name for part in estimator.parts]) == (
        "snip x 3",
        ["snip", "snip, repetition 1", "snip, repetition 2"],
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"repeats": 1}, "`repeats >= 2` must hold, but got repeats=1"),
        ({"calibration": 0}, "`calibration >= 1` must hold, but got calibration=0"),
        ({"estimator": ESTIMATORS["params"]()}, "Only a zero-cost proxy can be repeated, but 'params' is none"),
        ({"estimator": ESTIMATORS["az_nas"]()}, "Only a zero-cost proxy can be repeated, but 'az_nas' is none"),
    ],
    ids=["once", "no calibration", "a size", "a composite"],
)
def test_what_cannot_be_repeated(settings, sentence):
    with pytest.raises(SettingError, match=sentence):
        Repeated(**{"estimator": SNIP, **settings})
    with pytest.raises(SettingError, match="`number >= 1` must hold"):
        Repetition(SNIP, 0)


def test_the_aggregate_of_vkdnw_by_hand():
    # Places of two networks in five rankings: the first leads in three, the last is a tie, which shares place 1.
    columns = np.array([[2.0, 2, 2, 1, 7], [1, 1, 1, 2, 7]])
    scores = VKDNWAggregate().combine(columns, columns)
    assert scores == pytest.approx([2 * math.log(1 / 2), 4 * math.log(1 / 2)])
    names = [part.name for part in VKDNWAggregate().parts]
    assert names == ["vkdnw", "jacov", "az_expressivity", "az_trainability", "macs"]
    with pytest.raises(SettingError, match="`batch_size >= 1` must hold"):
        VKDNWAggregate(batch_size=0)
