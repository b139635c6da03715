"""Latency: what the rounds are, what is refused and with which words, and what is stored beside a score."""

from __future__ import annotations

from dataclasses import fields, replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from archsieve import Session, _machine
from archsieve.errors import PartialScoringError, SettingError
from archsieve.estimators.contract import Context, is_measured
from archsieve.estimators.measured import latency as module
from archsieve.estimators.measured import runtimes
from archsieve.estimators.measured.command import Command
from archsieve.estimators.measured.facts import collected_facts
from archsieve.estimators.measured.latency import Latency
from archsieve.estimators.measured.rounds import Clocks, Timing, spread_of, timed
from archsieve.fingerprints import fingerprint
from archsieve.plans.ceiling import Ceiling
from archsieve.plans.contract import Plan, Pool, forecast
from archsieve.plans.forecast import hours_of
from archsieve.plans.run import run_plan
from archsieve.registry import ESTIMATORS
from archsieve.report.load import meaning_of_scores, read_run
from archsieve.report.run_page import run_page
from archsieve.runs.arithmetic import EXACT, place_of
from archsieve.searchers.contract import Stage
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import invoke
from plugins.shipped import shipped

SPACE = NASBenchMacro(stem_width=4, widths=(4, 4), stages=(1, 1), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=3, images=8, test_images=4)
QUICK = Latency(rounds=3, seconds=0.001, spread=10.0, least_share=1e-3)


@pytest.fixture
def taken(monkeypatch):
    """Take what was measured, however busy the machine is."""
    monkeypatch.setattr(Latency, "refusal", lambda *_: "")


class Machine:
    """Clocks of a machine on which a pass takes what is told, and other processes take their part."""

    def __init__(self, others=1.0):
        self.wall = self.processor = 0.0
        self.others, self.log = others, []

    @property
    def clocks(self):
        return Clocks(lambda: self.wall, lambda: self.processor)

    def network(self, name, seconds):
        def run(passes):
            self.log.append((name, passes))
            self.processor += passes * seconds
            self.wall += passes * seconds * self.others

        return run


def test_networks_take_turns_and_every_other_round_goes_backwards():
    machine = Machine()
    networks = [machine.network("a", 0.25), machine.network("b", 0.125)]
    first, second = timed(networks, rounds=3, seconds=0.5, warm_up=0.3, clocks=machine.clocks)
    warm = [("a", 1)] * 2 + [("b", 1)] * 3
    a, b = [("a", 1), ("a", 2)], [("b", 1), ("b", 4)]
    assert machine.log == warm + a + b + b + a + a + b
    assert first == Timing((250.0,) * 3, (250.0,) * 3, 2)
    assert second == Timing((125.0,) * 3, (125.0,) * 3, 4)
    assert second.share == 1.0


def test_a_slow_network_makes_one_pass_a_round():
    machine = Machine(others=4.0)
    (timing,) = timed([machine.network("a", 2.0)], rounds=3, seconds=0.05, clocks=machine.clocks)
    assert timing.passes == 1
    assert timing.share == 0.25
    assert timing.wall == (8000.0,) * 3


def test_the_spread_is_that_of_the_median_above_the_minimum():
    assert spread_of([10.0, 11.0, 90.0]) == pytest.approx(0.1)
    assert spread_of([2.0, 2.0, 2.0]) == 0.0
    assert spread_of([0.0, 1.0, 1.0]) == np.inf


def timing(*wall, share=1.0):
    return Timing(wall, tuple(share * each for each in wall), 5)


@pytest.mark.parametrize(
    ("estimator", "measured", "said"),
    [
        (Latency(), timing(10, 10.9, 30), ""),
        (Latency(), timing(10, 11.2, 30), "median of its rounds is 12 % above the minimum, at most 10 %"),
        (Latency(spread=0.2), timing(10, 11.2, 30), ""),
        (Latency(), timing(10, 10, 10, share=0.79), "the process got 79 % of the time, and needs 80 %"),
        (Latency(), timing(10, 10, 10, share=0.81), ""),
        (Latency(least_share=0.5), timing(10, 10, 10, share=0.79), ""),
        (Latency(clock="cpu"), timing(10, 10, 10, share=0.3), ""),
        (Latency(clock="cpu"), timing(10, 12, 12, share=0.3), "above the minimum"),
    ],
)
def test_what_is_refused(estimator, measured, said, monkeypatch):
    monkeypatch.setattr(_machine, "load", lambda: 25.0)
    monkeypatch.setattr(_machine, "cores", lambda: 2)
    reason = estimator.refusal(measured)
    if not said:
        assert reason == ""
        return
    assert said in reason
    assert reason.startswith("the machine is busy (load 25.0 on 2 cores): ")
    assert "stop other work, or" in reason
    assert len(reason) <= 200


def test_on_an_accelerator_the_share_of_the_processor_says_nothing():
    assert Latency().refusal(timing(1, 1, 1, share=0.1), "cuda") == ""


def test_a_network_is_timed_again_and_at_last_refused(tmp_path, monkeypatch):
    calm, busy = timing(4, 4, 4), timing(5, 9, 9)
    said = iter([[calm, busy, busy], [busy, timing(3, 3, 3)], [busy]])
    asked = []

    def fake(networks, **_):
        asked.append(len(networks))
        return next(said)

    monkeypatch.setattr(module, "timed", fake)
    archs = [(0, 0), (1, 1), (2, 2)]
    with collected_facts() as facts, pytest.raises(PartialScoringError) as failed:
        Latency().score(archs, Context(SPACE, TASK, tmp_path))
    assert asked == [3, 2, 1]
    assert failed.value.scores[:, 0].tolist()[::2] == [-4.0, -3.0]
    assert set(failed.value.reasons) == {(1, 0)}
    assert [facts[arch]["tries"] for arch in archs] == [1, 3, 2]
    assert facts[1, 1]["spread"] == pytest.approx(0.8)


def test_a_session_keeps_what_was_measured_and_what_was_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "timed", lambda networks, **_: [timing(4, 4.2, 5), timing(5, 9, 9)][: len(networks)])
    estimator = Latency(tries=1)
    with Session(tmp_path / "run", SPACE, TASK) as session:
        scores = session.scores([estimator], [(0, 0), (1, 1)])[:, 0]
        assert scores[0] == -4.0
        assert np.isnan(scores[1])
        assert "the machine is busy" in session.failures(estimator, [(1, 1)])[1, 1]
        facts = {arch: each for _, arch, each in session._store.facts()}
    assert facts[0, 0] | {"load": 0, "cores": 0, "device": "", "versions": {}} == {
        "ms": 4.0,
        "median_ms": 4.2,
        "quartiles_ms": [4.1, 4.6],
        "spread": 0.05,
        "processor_share": 1.0,
        "load": 0,
        "cores": 0,
        "device": "",
        "threads": 1,
        "passes": 5,
        "tries": 1,
        "together": 2,
        "versions": {},
    }
    assert facts[0, 0]["device"] == _machine.processor()
    assert facts[0, 0]["versions"] == {"torch": torch.__version__}
    monkeypatch.setattr(module, "timed", lambda *_, **__: pytest.fail("it was measured again"))
    with Session(tmp_path / "run", SPACE, TASK) as session:
        assert session.scores([estimator], [(0, 0)])[0, 0] == -4.0


@pytest.mark.usefixtures("taken")
def test_a_network_that_does_not_run_costs_its_own_score(tmp_path, monkeypatch):
    broken = replace(QUICK)
    passes = Latency._passes

    def made(self, arch, ctx):
        if arch == (1, 1):
            raise ValueError("no such layer")
        return passes(self, arch, ctx)

    monkeypatch.setattr(Latency, "_passes", made)
    with pytest.raises(PartialScoringError) as failed:
        broken.score([(0, 0), (1, 1)], Context(SPACE, TASK, tmp_path))
    assert failed.value.reasons == {(1, 0): "ValueError: no such layer"}
    assert failed.value.scores[0, 0] < 0


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize(
    "runtime", ["eager", *(pytest.param(n, marks=pytest.mark.slow) for n in ("compile", "onnxruntime"))]
)
def test_a_network_is_measured(runtime, tmp_path):
    if runtime == "onnxruntime" and not all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")):
        pytest.skip("the extra `onnx` is not installed")
    before = torch.get_num_threads()
    with collected_facts() as facts:
        scores = replace(QUICK, runtime=runtime, threads=2).score([(0, 0), (2, 2)], Context(SPACE, TASK, tmp_path))
    assert torch.get_num_threads() == before
    assert (scores < 0).all()
    assert scores.tolist() == [-facts[arch]["ms"] for arch in [(0, 0), (2, 2)]] or np.allclose(
        scores, [-facts[arch]["ms"] for arch in [(0, 0), (2, 2)]], atol=1e-6
    )
    assert set(facts[0, 0]["versions"]) == {"torch", *(["onnxruntime"] if runtime == "onnxruntime" else [])}


@pytest.mark.slow
def test_a_network_that_is_compiled_computes_the_same(tmp_path, monkeypatch):
    """Also where more networks of one class are alive than torch keeps compiled code of."""
    computed = []
    monkeypatch.setattr(runtimes, "_passes", lambda run_once, device: lambda passes: computed.append(run_once()))
    for kind in (runtimes.eager, runtimes.compiled):
        kind((1, 2), Context(SPACE, TASK, tmp_path), 2, "float32", channels_last=True)(1)
    eager, *compiled = computed
    assert len(compiled) == 2  # as it is compiled, and again
    for outputs in compiled:
        torch.testing.assert_close(outputs, eager)


def test_without_a_compiler_nothing_is_compiled(tmp_path, monkeypatch):
    estimator = replace(QUICK, runtime="compile")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SettingError, match="needs a C\\+\\+ compiler, but CXX is 'no-such-compiler': install"):
        estimator.score([(0, 0)], Context(SPACE, TASK, tmp_path))
    monkeypatch.delenv("CXX")
    monkeypatch.setattr(runtimes.shutil, "which", lambda name: None)
    with pytest.raises(SettingError, match=r"but there is none: install .* or take the runtime 'eager'"):
        estimator.score([(0, 0)], Context(SPACE, TASK, tmp_path))


def test_how_long_a_measurement_takes_is_known_before(tmp_path, monkeypatch):
    monkeypatch.setattr(Latency, "_passes", lambda *_: lambda passes: None)
    estimator = Latency(rounds=10, seconds=0.25)
    assert estimator.seconds_of((0, 0), Context(SPACE, TASK, tmp_path)) == pytest.approx(2.5 + 0.1, abs=0.05)
    plan = Plan(SPACE, TASK, (Stage(estimator, top=1),), pool=Pool(sample=4))
    assert hours_of(plan, workers=2)[0] * 3600 == pytest.approx(4 * 2.6, abs=0.3)  # one at a time
    limited = replace(plan, ceiling=Ceiling(8.0, estimator=estimator))
    assert [row.label for row in forecast(limited)] == ["limit by latency[eager]", "latency[eager]"]
    assert [(row.candidates, row.kept) for row in forecast(limited)] == [(4, 4), (4, 1)]
    assert hours_of(limited)[0] * 3600 == pytest.approx(4 * 2.6, abs=0.3)
    program = replace(plan, stages=(Stage(Command("bench {digits}", "x"), top=1),))
    assert hours_of(program) == [None]


@pytest.mark.usefixtures("taken")
@pytest.mark.parametrize("settings", [{"dtype": "bfloat16"}, {"batch": 3}, {"channels_last": False}, {"clock": "cpu"}])
def test_settings_reach_the_network(settings, tmp_path):
    assert replace(QUICK, **settings).score([(0, 0)], Context(SPACE, TASK, tmp_path)) < 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"runtime": "tensorrt"}, "`runtime` must be one of eager, compile, onnxruntime"),
        ({"runtime": "onnxruntime", "dtype": "float16"}, "needs dtype = 'float32'"),
        ({"rounds": 2}, "rounds >= 3"),
        ({"spread": 0.0}, "0 < spread"),
        ({"least_share": 1.5}, "least_share <= 1"),
        ({"batch": 0}, "batch >= 1"),
    ],
)
def test_settings_are_checked(settings, said):
    with pytest.raises(SettingError, match=said):
        Latency(**settings)


def test_the_clock_of_the_processor_goes_with_a_processor(tmp_path):
    with pytest.raises(SettingError, match="'cpu' does not measure what 'cuda'"):
        Latency(clock="cpu").score([(0, 0)], Context(SPACE, TASK, tmp_path, device="cuda"))


def test_names_tell_settings_apart():
    names = [Latency(), Latency(batch=8), Latency(runtime="onnxruntime", threads=2), Latency(clock="cpu", repeat=1)]
    assert [one.name for one in names] == [
        "latency[eager]",
        "latency[eager, batch 8]",
        "latency[onnxruntime, threads 2]",
        "latency[eager, CPU time, repeat 1]",
    ]


def test_the_device_is_in_the_key_and_not_in_the_settings(monkeypatch):
    before = place_of(Latency(), "cpu", EXACT, ()), fingerprint(Latency())
    monkeypatch.setattr(_machine, "processor", lambda: "another processor")
    assert place_of(Latency(), "cpu", EXACT, ()) == [{"machine": "another processor"}] != before[0]
    assert fingerprint(Latency()) == before[1]


def test_what_measures_says_so():
    measuring = {name for name in shipped(ESTIMATORS) if getattr(ESTIMATORS[name], "is_measured", False)}
    assert measuring >= {"latency", "command"}
    assert is_measured(Latency())
    assert is_measured(ESTIMATORS["mean_rank"]((Latency(), ESTIMATORS["params"]())))
    assert not is_measured(ESTIMATORS["params"]())
    assert "repeat" in {field.name for field in fields(Latency)}


def test_the_report_lists_what_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "timed", lambda networks, **_: [timing(4, 4.2, 5)] * len(networks))
    with Session(tmp_path / "run", SPACE, TASK) as session:
        session.scores([Latency(), ESTIMATORS["params"]()], [(0, 0), (1, 1)])
    measured = read_run(tmp_path / "run").measurements
    assert {each.estimator for each in measured} == {"latency[eager]"}
    assert [each.architecture for each in measured] == ["00", "11"]
    assert measured[0].facts["median_ms"] == 4.2


@pytest.mark.parametrize("is_limit", [False, True])
def test_milliseconds_are_printed_as_milliseconds(tmp_path, monkeypatch, is_limit):
    monkeypatch.setattr(module, "timed", lambda networks, **_: [timing(4, 4.2, 4.2)] * len(networks))
    params, measured = Stage(ESTIMATORS["params"](), keep=0.5), Stage(Latency(), top=1)
    plan = Plan(SPACE, TASK, (params,) if is_limit else (params, measured))
    plan = replace(plan, ceiling=Ceiling(8.0)) if is_limit else plan
    with Session(tmp_path / "run", SPACE, TASK) as session:
        run_plan(plan, session)
    report = read_run(tmp_path / "run")
    latency = next(e for e in report.estimators if e.estimator == "latency[eager]")
    assert (latency.best_score, latency.best_value, latency.is_metric) == (-4.0, 4.0, False)
    assert latency.meaning == "latency in ms (lower is better)"
    assert meaning_of_scores(report) == (
        "Scores of latency[eager]: latency in ms (lower is better). Of the other scores, higher is better."
    )
    printed = invoke("report", tmp_path / "run").stdout
    assert "latency in ms (lower is better)" in printed
    rows = [line.split() for line in printed.partition("best_score")[2].splitlines()]
    assert next(row for row in rows if row[:1] == ["latency[eager]"])[-1] == "4"
    stored = next(table for table in run_page(tmp_path / "run").tables if table.title == "Stored scores")
    assert next(cells for cells in stored.rows if cells[0] == "latency[eager]")[2] == "4"


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_gpu_is_measured_and_named(dtype, tmp_path):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA")
    estimator = replace(QUICK, dtype=dtype, batch=16)
    with collected_facts() as facts:
        scores = estimator.score([(0, 0), (2, 2)], Context(SPACE, TASK, tmp_path, device="cuda"))
    assert (scores < 0).all()
    assert facts[0, 0]["device"] == torch.cuda.get_device_name()
    assert estimator.place("cuda") != estimator.place("cpu")
