"""The study of measures: what it finds where the answer is known, its intervals, its figures and its command."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from archsieve.errors import SettingError
from archsieve.judging.claims import MEASURES, POOLED, Claim, Finding, _with_interval, claims_of, conclusions, copies
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio, ndcg_at_k, regret_at_k, weighted_tau
from archsieve.judging.mkr_study import STUDIED, mkr_study
from archsieve.report.as_files import draw_study
from archsieve.runs.executors import Processes
from archsieve.runs.session import Session
from archsieve.spaces.contract import enumerate_space
from plugins.commands import invoke
from plugins.toy import TASK, Toy

pytest_plugins = ["plugins.fixtures"]

SPACE = Toy(4)  # 81 codes
ARCHS = list(enumerate_space(SPACE))
TRUTH = np.arange(81.0)
EVERY = ("study", "mkr", "nasbench-macro", "--benchmark", "nasbench-macro-digits")
PROXIES = ("--proxy", "nwot", "--proxy", "params", "--proxy", "macs", "--proxy", "zen")


@dataclass(frozen=True)
class Shifted:
    """The truth in a circle: its best is `lost` places from the top."""

    lost: int
    version: ClassVar[int] = 1
    by_code: ClassVar[bool] = True

    @property
    def name(self):
        return f"shifted {self.lost}"

    def score(self, archs, ctx):
        return np.array([(ARCHS.index(arch) + self.lost) % 81 for arch in archs], dtype=float)


ESTIMATORS = [Shifted(lost) for lost in (0, 1, 20, 40)]


@pytest.fixture
def study(tmp_path, publish, monkeypatch):
    """Return a function that studies the made-up estimators, with a tenth of the draws of the bootstrap."""
    monkeypatch.setattr("archsieve.judging.claims._DRAWS", 200)
    publish(SPACE, {"accuracy": TRUTH})

    def study(estimators=ESTIMATORS, **options):
        with Session(tmp_path / "run", SPACE, TASK) as session:
            return mkr_study(session, estimators, **{"seeds": 3, "budget": 400, **options})

    return study


def test_what_is_found_is_the_estimators_own_best(study):
    """81 codes, 400 evaluations: each searcher meets the best score, whose truth lies `lost` below the top."""
    found = study()
    assert (found.benchmark, found.count, found.seeds, found.budget) == ("made-up", 81, 3, 400)
    for finding, estimator in zip(found.findings, ESTIMATORS, strict=True):
        scores = estimator.score(ARCHS, None)
        assert (finding.estimator, finding.truth) == (estimator.name, "accuracy")
        assert finding.tau == kendall_tau(scores, TRUTH)
        assert finding.mkr == minimum_keeping_ratio(scores, TRUTH)
        assert (finding.weighted_tau, finding.ndcg) == (weighted_tau(scores, TRUTH), ndcg_at_k(scores, TRUTH, 1))
        assert finding.regret == regret_at_k(scores, TRUTH, 10)
        assert finding.measures == (
            *(finding.tau, finding.weighted_tau, 1 - finding.mkr),
            *(finding.ndcg, -finding.regret),
        )
        own_best = float(TRUTH[np.argmax(scores)])
        assert own_best == (80 - estimator.lost) % 81
        assert list(finding.found) == [name.replace("_", " ") for name in STUDIED]
        assert finding.found["random search"] != ()
        for reached in finding.found.values():
            assert len(reached) == 3
            assert np.median(reached) == own_best


def test_correlations_are_those_of_the_means(study):
    found = study()
    for claim in found.claims:
        mean = [np.mean(f.found[claim.searcher]) for f in found.findings]
        for i, measure in enumerate(MEASURES):
            x = [f.measures[i] for f in found.findings]
            assert claim.kendall[measure][1] == pytest.approx(kendall_tau(x, mean))
            assert claim.pearson[measure][1] == pytest.approx(np.corrcoef(x, mean)[0, 1])
            for low, value, high in (claim.pearson[measure], claim.kendall[measure]):
                assert low <= value <= high
        for gains, correlations in ((claim.kendall_gains, claim.kendall), (claim.pearson_gains, claim.pearson)):
            assert list(gains) == list(MEASURES[1:])
            for measure, gain in gains.items():
                assert gain[1] == pytest.approx(correlations[measure][1] - correlations["tau"][1])


@dataclass(frozen=True)
class Crowned:
    """The truth reversed, but for one code `place` below the true best, which is on top: tau tells nothing of it."""

    place: int
    version: ClassVar[int] = 1
    by_code: ClassVar[bool] = True

    @property
    def name(self):
        return f"crowned {self.place}"

    def score(self, archs, ctx):
        places = np.array([80 - ARCHS.index(arch) for arch in archs])
        # What lies above the crowned one follows it, the best last; the rest is in the truth's order, or against it.
        above = places < self.place
        rest = places if self.place % 2 else -places
        return np.where(places == self.place, 1e6, np.where(above, 1e5 + places, rest)).astype(float)


def test_a_measure_that_tells_all_is_seen(study):
    """The keeping ratio follows what is found, tau does not: the gain's interval excludes 0."""
    claim = study([Crowned(place) for place in range(1, 40, 3)]).claims[0]
    assert claim.kendall["1 - MKR"][1] > 0.9 > claim.kendall["tau"][1]
    assert claim.kendall_gains["1 - MKR"][0] > 0
    assert claim.pearson_gains["1 - MKR"][0] > 0


def test_constant_measures_have_no_correlation(study):
    found = study([Shifted(0), *(type("Same", (Shifted,), {"name": f"same {i}"})(0) for i in range(2))])
    claim = found.claims[0]
    assert claim.kendall == claim.pearson == dict.fromkeys(MEASURES)
    assert claim.kendall_gains == claim.pearson_gains == dict.fromkeys(MEASURES[1:])


def test_an_estimator_that_tells_nothing_is_left_out(study, tmp_path):
    class Flat(Shifted):
        name = "flat"

        def score(self, archs, ctx):
            return np.ones(len(archs))

    found = study([*ESTIMATORS, Flat(0)])
    assert (found.findings[-1].estimator, found.findings[-1].tau) == ("flat", None)
    assert [c.kendall for c in found.claims] == [c.kendall for c in study().claims]
    assert len(draw_study(found, tmp_path)) == 8 * len(STUDIED)


def test_the_same_twice_is_refused(study):
    with pytest.raises(SettingError, match="'shifted 0' was named twice"):
        study([*ESTIMATORS, Shifted(0)])
    with pytest.raises(SettingError, match="'accuracy' was named twice"):
        study(truths=("accuracy", "accuracy"))


def findings(*columns, truth="a", searcher="s"):
    """Return findings by tau and the values found: all other measures are those of tau, but 1 - MKR runs against it."""
    return [
        Finding(f"e{i}", truth, tau, tau, {searcher: (found,)}, tau, tau, -tau)
        for i, (tau, found) in enumerate(columns)
    ]


def test_claims_over_all_truths_are_means_over_single_ones(monkeypatch):
    """By hand: taus 1 2 3 4 against 1 2 3 4 is 1, against 2 1 3 4 is 4/6; their mean is 5/6, whatever the units."""
    monkeypatch.setattr("archsieve.judging.claims._DRAWS", 50)
    first = findings((0.1, 1.0), (0.2, 2.0), (0.3, 3.0), (0.4, 4.0))
    second = findings((0.1, 200.0), (0.2, 100.0), (0.3, 300.0), (0.4, 400.0), truth="b")
    one, other, both = claims_of([*first, *second], seed=0)
    assert (one.truth, other.truth, both.truth) == ("a", "b", POOLED)
    assert [claim.kendall["tau"][1] for claim in (one, other, both)] == pytest.approx([1, 4 / 6, 5 / 6])
    assert both.pearson["tau"][1] == pytest.approx((1 + 0.8) / 2)
    assert both.kendall["1 - MKR"][1] == pytest.approx(-5 / 6)
    assert both.kendall_gains["1 - MKR"][1] == pytest.approx(-10 / 6)
    assert both.kendall_gains["nDCG"] == (0, 0, 0)
    assert len(claims_of(first, seed=0)) == 1


def test_a_truth_said_twice_is_no_further_evidence(monkeypatch):
    """The estimators are the clusters: the same findings under two names leave the interval as wide as it was."""
    monkeypatch.setattr("archsieve.judging.claims._DRAWS", 400)
    rng = np.random.default_rng(0)
    columns = [(tau, tau + rng.normal(0, 4)) for tau in np.arange(12.0)]
    one, again, both = claims_of([*findings(*columns), *findings(*columns, truth="b")], seed=0)
    width = {claim.truth: np.ptp(claim.kendall["tau"]) for claim in (one, again, both)}
    assert both.kendall["tau"][1] == pytest.approx(one.kendall["tau"][1])
    assert width[POOLED] == pytest.approx(width["a"], rel=0.15)


def test_an_estimator_that_one_truth_cannot_compare_is_in_no_claim_over_all(monkeypatch):
    monkeypatch.setattr("archsieve.judging.claims._DRAWS", 20)
    first = findings((0.1, 1.0), (0.2, 2.0), (0.3, 3.0), (0.9, 0.0))
    second = findings((0.1, 1.0), (0.2, 2.0), (0.3, 3.0), (0.9, 0.0), truth="b")
    second[-1] = replace(second[-1], tau=None, weighted_tau=None)
    *_, both = claims_of([*first, *second], seed=0)
    assert both.kendall["tau"][1] == pytest.approx(1)


TIGHT, WIDE, BELOW = (0.1, 0.24, 0.4), (-0.2, 0.3, 0.8), (-0.5, -0.3, -0.1)


@pytest.mark.parametrize(
    ("estimators", "searcher", "gains", "sentence"),
    [
        (8, "s", {"1 - MKR": TIGHT, "nDCG": WIDE}, "better than tau: 1 - MKR (+0.24 [+0.10, +0.40])."),
        (8, "t", {"1 - MKR": WIDE, "nDCG": WIDE}, "no measure is supported as better than tau."),
        (
            *(8, "t", {"1 - MKR": BELOW, "nDCG": None}),
            "no measure is supported as better than tau; worse than tau: 1 - MKR (-0.30 [-0.50, -0.10]).",
        ),
        (7, "s", {"1 - MKR": TIGHT, "nDCG": TIGHT}, "no verdict, with 7 estimators."),
    ],
)
def test_the_conclusion_depends_on_the_searcher_and_on_how_many_estimators(estimators, searcher, gains, sentence):
    columns = [(i / 10, float(i)) for i in range(estimators)]
    claim = Claim("a", searcher, {"tau": WIDE, "nDCG": (0.5, 0.6, 0.7), "1 - MKR": None}, {}, gains, gains)
    (found,) = conclusions(findings(*columns, searcher=searcher), [claim])
    assert found == f"{searcher.upper()}, a: nDCG predicts best (Kendall 0.60 [0.50, 0.70]); {sentence}"


def test_estimators_that_rank_all_codes_alike_count_once(monkeypatch):
    """As parameters and multiply-adds of NAS-Bench-201 do: the second takes no part, whatever its searches found."""
    monkeypatch.setattr("archsieve.judging.claims._DRAWS", 50)
    alone = findings(*((i / 10, i % 5 + i / 9) for i in range(7)))
    twin = replace(alone[3], estimator="twin", found={"s": (99.0,)})
    doubled = [*alone, twin]
    assert copies(doubled) == {"twin": "e3"}
    assert claims_of(doubled, seed=0) == claims_of(alone, seed=0)
    *_, verdict_of_seven, sentence = conclusions(doubled, claims_of(doubled, seed=0))
    assert verdict_of_seven.endswith("no verdict, with 7 estimators.")
    assert sentence == "twin ranks all codes like e3: both count as one estimator."
    elsewhere = [replace(f, truth="b") for f in doubled[:-1]] + [replace(twin, truth="b", mkr=0.99)]
    assert copies([*doubled, *elsewhere]) == {}
    assert copies([replace(f, tau=None, weighted_tau=None) for f in doubled]) == {}


@pytest.mark.parametrize(
    ("kendall", "sentence"),
    [
        ({"tau": BELOW, "1 - MKR": TIGHT, "nDCG": TIGHT}, "1 - MKR and nDCG predict best (Kendall 0.24 [0.10, 0.40])"),
        ({"tau": TIGHT, "1 - MKR": TIGHT, "nDCG": TIGHT}, "tau, 1 - MKR and nDCG predict best (Kendall 0.24"),
        ({"tau": None, "1 - MKR": TIGHT, "nDCG": WIDE}, "nDCG predicts best (Kendall 0.30"),
    ],
)
def test_measures_that_predict_equally_well_are_all_named(kendall, sentence):
    (found,) = conclusions(findings((0.1, 1.0), (0.2, 2.0)), [Claim("a", "s", kendall, {})])
    assert found.startswith(f"S, a: {sentence}")


def test_conclusions_are_of_all_truths_where_there_are_several():
    claims = [Claim(truth, "s", {"tau": None}, {}) for truth in ("a", "b", POOLED)]
    assert conclusions([], claims) == ["S, all truths: no measure has a correlation with what is found."]


def test_several_benchmarks_are_studied_together(study, publish):
    """Truths of two tables; codes that one of them lacks are left out, and the shared column has both names."""
    reverse = np.where(TRUTH == 3, math.nan, -TRUTH)
    study()
    publish(SPACE, {"accuracy": reverse}, name="turned")
    both = study(benchmark=["made-up", "turned"])
    assert (both.benchmark, both.count) == ("made-up, turned", 80)
    assert [claim.truth for claim in both.claims[:: len(STUDIED)]] == ["made-up accuracy", "turned accuracy", POOLED]
    taus = {(f.truth, f.estimator): f.tau for f in both.findings}
    assert taus["made-up accuracy", "shifted 0"] == pytest.approx(1)
    assert taus["turned accuracy", "shifted 0"] == pytest.approx(-1)


def test_seeds_differ_and_the_run_seed_decides(tmp_path, publish):
    publish(SPACE, {"accuracy": TRUTH})
    told = []
    for run_seed in (0, 0, 1):
        with Session(tmp_path / str(len(told)), SPACE, TASK, seed=run_seed) as session:
            told.append(mkr_study(session, ESTIMATORS, seeds=8, budget=50))
    assert told[0] == told[1] != told[2]
    assert any(len(set(f.found["random search"])) > 1 for f in told[0].findings)


def test_codes_without_a_truth_are_left_out(tmp_path, publish):
    publish(SPACE, {"accuracy": np.where(TRUTH == 80, math.nan, TRUTH)})
    with Session(tmp_path, SPACE, TASK) as session:
        found = mkr_study(session, ESTIMATORS, seeds=2, budget=400)
    assert found.count == 80
    assert set(found.findings[0].found["random search"]) == {79.0}


@pytest.mark.parametrize(("given", "options"), [(ESTIMATORS[:2], {}), (ESTIMATORS, {"seeds": 0})])
def test_too_little_to_study_is_refused(study, given, options):
    with pytest.raises(SettingError, match="At least 3 estimators and 1 seed are needed"):
        study(given, **options)


def test_figures_are_written(study, tmp_path):
    paths = draw_study(study(), tmp_path)
    assert len(paths) == 8 * len(STUDIED)  # four measures, two files each
    for path in paths:
        assert path.stat().st_size > 5000
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert "<svg" in paths[1].read_text()


def test_the_command_writes_and_prints_the_study(tmp_path, monkeypatch):
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    options = ("--seeds", "2", "--budget", "60", "--out", str(tmp_path / "one"))
    result = invoke(*EVERY, *PROXIES, *options)
    assert result.exit_code == 0, result.stderr
    assert "729 codes of nasbench-macro-digits; 2 seeds of 60 evaluations" in result.stdout
    rows = [line for line in result.stdout.splitlines() if line.startswith("test_acc ")]
    assert len(rows) == 4 + len(MEASURES) * len(STUDIED)
    assert result.stdout.startswith("Differential evolution, test_acc: ")
    assert "no verdict, with 4 estimators." in result.stdout
    saved = json.loads((tmp_path / "one" / "study.json").read_text())
    assert [f["estimator"] for f in saved["findings"]] == ["nwot", "params", "macs", "zen"]
    assert len(list((tmp_path / "one").glob("*.png"))) == 4 * len(STUDIED)
    assert f"Figures: {4 * len(STUDIED)} in {tmp_path / 'one'}, as PNG and SVG." in result.stdout


@pytest.mark.usefixtures("quick_workers")
def test_the_workers_change_nothing(tmp_path, publish):
    from archsieve.benchmarks.digits import DIGITS
    from archsieve.registry import ESTIMATORS as KNOWN

    told = []
    for executor in (None, Processes(2)):
        with Session(tmp_path / str(len(told)), DIGITS.space, TASK, executor=executor) as session:
            estimators = [KNOWN[name]() for name in ("params", "macs", "chance")]
            told.append(mkr_study(session, estimators, seeds=2, budget=60))
    one, other = (replace(study, provenance=None) for study in told)
    assert one == other


def test_rounding_is_no_correlation():
    samples = np.array([-2.2e-16] * 50 + [0.5] * 50)
    assert _with_interval(1e-17, samples) == (0.0, 0.0, 0.5)
    low, value, high = _with_interval(0.25, samples[::-1] + 1e-3)
    assert (low, value, high) == (pytest.approx(1e-3, abs=1e-12), 0.25, 0.501)


def test_the_same_results_by_other_seeds_are_a_tie(monkeypatch):
    """By hand: two of four estimators find the same, and none of the six pairs but theirs is a tie: tau-b = 5 / 30^0.5.

    The mean of 0.1, 0.2, 0.3 is another number than that of 0.3, 0.2, 0.1 in the last digit.
    """
    monkeypatch.setattr("archsieve.judging.claims._DRAWS", 20)
    four = findings((0.1, 0.0), (0.2, 0.0), (0.3, 0.0), (0.4, 0.0))
    seeds = [(0.0, 0.0, 0.0), (0.1, 0.2, 0.3), (0.3, 0.2, 0.1), (1.0, 1.0, 1.0)]
    found = [replace(each, found={"s": values}) for each, values in zip(four, seeds, strict=True)]
    assert np.mean(seeds[1]) != np.mean(seeds[2])
    (claim,) = claims_of(found, seed=0)
    assert claim.kendall["tau"][1] == pytest.approx(5 / 30**0.5)
