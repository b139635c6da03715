"""What tables and figures of a run show, by cases small enough to be worked by hand."""

import itertools
import math

import numpy as np
import pytest

from archsieve.judging.metrics import ndcg_at_k, weighted_tau
from archsieve.report.views import (
    FunnelStep,
    StageView,
    fates,
    joined,
    rankings,
    regret_curve,
    shown_points,
    stage_views,
)
from archsieve.searchers.contract import Round

NAN, INF = math.nan, math.inf


def view(scores, truth=None, kept=(), label="stage", **sizes):
    """A stage of the codes (0,), (1,) and so on that kept these positions."""
    n = len(scores)
    mask = np.isin(np.arange(n), kept)
    truth = np.full(n, NAN) if truth is None else np.array(truth, dtype=float)
    sizes = {name: np.array(values, dtype=float) for name, values in sizes.items()}
    return StageView(label, np.arange(n)[:, None], np.array(scores, dtype=float), mask, truth, sizes)


def stage(label, codes, scores, kept):
    return Round(label, np.array(codes, dtype=np.int8)[:, None], np.array(scores, dtype=float), np.array(kept))


def by_name(views):
    return {(row.number, row.by): row for row in rankings(views)}


# Rankings


def test_rankings_by_hand():
    # By score 2 1 4 3: two pairs of six in order; the best is third. By size 3 4 1 2: the best is second.
    rows = by_name([view([4, 3, 2, 1], [2, 1, 4, 3], kept=(0, 1), label="one", params=[1, 2, 3, 4], macs=[1, 1, 1, 1])])
    assert list(rows) == [(1, "estimator"), (1, "params"), (1, "macs"), (1, "chance")]
    assert {(row.stage, row.count, row.kept) for row in rows.values()} == {("one", 4, 0.5)}
    estimator, params, macs, chance = rows.values()
    assert (estimator.tau, estimator.spearman) == pytest.approx((-1 / 3, -0.6))
    assert (estimator.mkr, estimator.regret) == (0.75, 2)
    assert (params.tau, params.spearman) == pytest.approx((1 / 3, 0.6))
    assert (params.mkr, params.regret) == (0.5, 0)
    assert (macs.tau, macs.spearman, macs.mkr, macs.regret) == (None, None, 1, 2)  # ties count against it
    assert (chance.tau, chance.spearman, chance.mkr, chance.regret) == (0, 0, 0.625, None)
    # The top per cent of four is one: gains 1/8, 3/8, 5/8, 7/8, and the mean 1/2 by chance, over 7/8.
    assert [row.ndcg for row in rows.values()] == pytest.approx([3 / 7, 5 / 7, 1 / 7, 4 / 7])
    assert (estimator.weighted_tau, macs.weighted_tau, chance.weighted_tau) == (
        weighted_tau([4, 3, 2, 1], [2, 1, 4, 3]),
        None,
        0,
    )


@pytest.mark.parametrize("truth", [[1, 2, 3, 4], [1, 4, 3, 4], [4, 4, 3, 4]])
def test_chance_is_the_mean_of_all_orders(truth):
    best = [i for i in range(4) if truth[i] == 4]
    mean = np.mean([(1 + min(order.index(i) for i in best)) / 4 for order in itertools.permutations(range(4))])
    chance = by_name([view([4, 3, 2, 1], truth)])[1, "chance"]
    assert chance.mkr == pytest.approx(mean)
    found = [ndcg_at_k(np.argsort(order), truth, 1) for order in itertools.permutations(range(4))]
    assert chance.ndcg == pytest.approx(np.mean(found))


def test_what_was_kept_counts_and_not_what_ties_with_it():
    rows = by_name([view([1, 1, 1], [1, 3, 2], kept=(2,), params=[5, 5, 5])])
    assert rows[1, "estimator"].regret == 1
    assert rows[1, "params"].regret == 2
    assert rows[1, "estimator"].mkr == 1


@pytest.mark.parametrize(
    ("scores", "mkr", "tau"),
    [
        ([NAN, -INF, 0, 1], 0.25, 1),
        ([1, -INF, 0, NAN], 1, -2 / 3),
        ([0, 1, 2, INF], 0.25, 1),
        ([NAN] * 4, 1, None),
        ([-INF] * 4, 1, None),
    ],
)
def test_scores_that_are_no_numbers_rank_where_they_belong(scores, mkr, tau):
    row = by_name([view(scores, [1, 2, 3, 4], kept=(3,))])[1, "estimator"]
    assert (row.mkr, row.tau) == (mkr, None if tau is None else pytest.approx(tau))


def test_candidates_without_a_truth_are_left_out():
    rows = by_name([view([9, 1, 8, 2, 7], [NAN, 5, NAN, 4, NAN], kept=(0, 1, 2), params=[0, 1, 0, 2, 0])])
    row = rows[1, "estimator"]
    assert (row.count, row.tau, row.mkr, row.kept, row.regret) == (2, -1, 1, 0.5, 0)
    assert rows[1, "params"].tau == -1
    nobody = by_name([view([9, 1, 8, 2], [NAN, 5, NAN, 4], kept=(0,), params=[0, 1, 0, 2])])
    assert {(row.kept, row.regret) for row in nobody.values()} == {(0, None)}


@pytest.mark.parametrize("truth", [None, [NAN, 3, NAN], [3, 3, NAN]])
def test_no_ranking_without_two_truths_that_differ(truth):
    stage = view([1, 2, 3], truth)
    assert stage.known() is None
    assert rankings([stage]) == ()


def test_stages_of_one_label_are_told_by_their_number():
    rows = rankings([view([3, 2, 1], [1, 2, 3], label="same"), view([1, 2], [2, 3], label="same")])
    assert [(r.number, r.stage, r.tau) for r in rows if r.by == "estimator"] == [(1, "same", -1), (2, "same", 1)]


# Stages


@pytest.mark.parametrize(
    ("scores", "kept", "cut"),
    [
        ([3, 2, 1], (0, 1), 2),
        ([3, 2, 2], (0, 1), 2),
        ([3, 2, 1], (0, 1, 2), None),
        ([NAN, 3, NAN], (0, 1), 3),
        ([NAN, NAN, NAN], (0,), None),
        ([1, -INF, NAN], (0, 1), None),
    ],
)
def test_the_cut_is_the_lowest_score_kept(scores, kept, cut):
    assert view(scores, kept=kept).cut == cut


def test_places_count_ties_against():
    assert view([1, 2, 2, NAN, -INF, INF, NAN]).places.tolist() == [4, 3, 3, 7, 5, 1, 7]


def test_stages_that_cut_nothing_are_not_shown_unless_they_are_the_last():
    pool = {"archs": np.array([[5], [6], [7]]), "truth": np.array([50.0, NAN, 70.0]), "params": np.array([1.0, 2, 3])}
    first = stage("ranks", [5, 6, 7], [1, 2, 3], [2, 1, 0])
    second = stage("cuts", [5, 6, 7], [3, 1, 2], [0, 2])
    third = stage("ranks", [5, 7], [1, 2], [1, 0])
    shown = stage_views([first, second, third], pool)
    assert [v.label for v in shown] == ["cuts", "ranks"]
    assert [v.kept.tolist() for v in shown] == [[True, False, True], [True, True]]
    assert shown[0].truth.tolist() == pytest.approx([50, NAN, 70], nan_ok=True)
    assert shown[1].truth.tolist() == [50, 70]
    assert {name: values.tolist() for name, values in shown[1].sizes.items()} == {"params": [1, 3]}
    assert stage_views([], pool) == ()
    (unknown,) = stage_views([second], {"archs": pool["archs"]})
    assert np.isnan(unknown.truth).all()


def told(label, candidates, kept, seconds, network_epochs, macs):
    return {"label": label, "candidates": candidates, "kept": kept, "failures": 0} | {
        "seconds": seconds,
        "network_epochs": network_epochs,
        "macs": macs,
    }


def test_stages_that_cut_nothing_are_joined_with_the_next():
    stages = [
        told("a", 9, 9, 1.0, 2.0, None),
        told("b", 9, 9, 0.5, 1.0, 3e9),
        told("c", 9, 4, 0.25, 4.0, 1e9),
        told("d", 4, 1, 2.0, None, 5e9),
    ]
    assert joined(stages) == (FunnelStep("c", 3, 9, 4, 1.75, 7.0, None), FunnelStep("d", 1, 4, 1, 2.0, None, 5e9))
    last = told("e", 1, 1, 1.0, 1.0, 1.0)
    assert joined([*stages, last])[-1] == FunnelStep("e", 1, 1, 1, 1.0, 1.0, 1.0)
    assert joined([]) == ()


def test_a_stage_whose_survivors_are_searched_stands_alone():
    scored, searched = told("a", 80, 80, 1.0, 960.0, None), told("b", 42, 1, 0.5, 8400.0, None)
    assert [step.stages for step in joined([scored, searched])] == [1, 1]
    assert [step.candidates for step in joined([scored, searched])] == [80, 42]


# Where the best were cut


def test_the_fates_of_the_ten_best():
    truth = np.arange(12.0)
    truth[11] = NAN
    pool = {"archs": np.arange(12)[:, None], "truth": truth}
    # Code 10 goes at once, 9 in the second stage, 8 is chosen; the two stages bear one name.
    first = [*range(100, 110), -1, 200]
    left = [8, 9, 11]
    rounds = [stage("same", range(12), first, left), stage("same", left, [2, NAN, 1], [0])]
    found = fates(stage_views(rounds, pool))
    assert [f.truth for f in found] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert [(f.architecture, f.places, f.cut_by, f.cut_in) for f in found[:4]] == [
        ("10", (12,), "same", 1),
        ("9", (2, 3), "same", 2),
        ("8", (3, 1), None, None),
        ("7", (4,), "same", 1),
    ]
    assert fates(()) == fates([view([1, 2], kept=(0,))]) == ()


# Curves and points


def test_a_regret_curve_has_its_steps_alone():
    assert regret_curve(np.array([4.0, 3, 2, 1]), np.array([7.0, 1, 8, 2])) == ([0.25, 0.75], [1, 0])
    assert regret_curve(np.array([1.0, 1, NAN, -INF]), np.array([3.0, 2, 5, 4])) == ([0.25, 0.5, 0.75, 1], [3, 2, 1, 0])
    assert regret_curve(np.array([2.0, 1]), np.array([9.0, 9])) == ([0.5], [0])


@pytest.mark.parametrize("kept", [range(1), range(40), range(500), range(999)])
def test_the_points_drawn_are_the_best_and_some_of_each_kind(kept):
    rng = np.random.default_rng(0)
    truth = np.where(rng.random(1000) < 0.5, NAN, rng.random(1000))
    whole = view(rng.random(1000), truth, kept=kept)
    drawn = shown_points(whole, 110)
    assert np.array_equal(drawn, shown_points(whole, 110))
    assert len(set(drawn.tolist())) == len(drawn)
    assert 100 <= len(drawn) <= 110  # the best may be among the others
    assert set(np.argsort(-np.nan_to_num(truth, nan=-1))[:10].tolist()) <= set(drawn.tolist())
    assert min(len(kept), 1000 - len(kept), 50) <= min(whole.kept[drawn].sum(), (~whole.kept[drawn]).sum())


def test_few_points_are_all_drawn():
    assert shown_points(view([1, 2, 3]), 3).tolist() == [0, 1, 2]
