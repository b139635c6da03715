"""The study of measures: what it finds where the answer is known, its intervals, its figures and its command."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from archsieve.errors import SettingError
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio
from archsieve.judging.mkr_study import MEASURES, STUDIED, mkr_study
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
    monkeypatch.setattr("archsieve.judging.mkr_study._DRAWS", 200)
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
        assert finding.measures == (finding.tau, 1 - finding.mkr)
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
        gain = claim.pearson["1 - MKR"][1] - claim.pearson["tau"][1]
        assert claim.pearson_gain[1] == pytest.approx(gain)


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
    assert claim.kendall_gain[0] > 0
    assert claim.pearson_gain[0] > 0


def test_constant_measures_have_no_correlation(study):
    found = study([Shifted(0), *(type("Same", (Shifted,), {"name": f"same {i}"})(0) for i in range(2))])
    claim = found.claims[0]
    assert claim.kendall == {"tau": None, "1 - MKR": None}
    assert (claim.kendall_gain, claim.pearson_gain) == (None, None)


def test_an_estimator_that_tells_nothing_is_left_out(study, tmp_path):
    class Flat(Shifted):
        name = "flat"

        def score(self, archs, ctx):
            return np.ones(len(archs))

    found = study([*ESTIMATORS, Flat(0)])
    assert (found.findings[-1].estimator, found.findings[-1].tau) == ("flat", None)
    assert [c.kendall for c in found.claims] == [c.kendall for c in study().claims]
    assert len(draw_study(found, tmp_path)) == 4 * len(STUDIED)


def test_the_same_twice_is_refused(study):
    with pytest.raises(SettingError, match="'shifted 0' was named twice"):
        study([*ESTIMATORS, Shifted(0)])


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
    assert len(paths) == 4 * len(STUDIED)  # two measures, two files each
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
    assert result.stdout.count("test_acc") >= 4 + 2 * len(STUDIED)
    saved = json.loads((tmp_path / "one" / "study.json").read_text())
    assert [f["estimator"] for f in saved["findings"]] == ["nwot", "params", "macs", "zen"]
    assert len(list((tmp_path / "one").glob("*.png"))) == 2 * len(STUDIED)


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
