"""Scores of a CPU, of other devices and of shipped tables: never one for the other. No device is needed for it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass

import numpy as np
import pytest
import torch

from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.size import MACS
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import fingerprint, identity
from archsieve.runs.arithmetic import Arithmetic
from archsieve.runs.executors import Processes
from archsieve.runs.score_tables import CODES, Card, ScoreTable
from archsieve.runs.session import Session
from archsieve.runs.store import Key
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from no_float64 import accelerator_without_float64
from plugins.commands import invoke

SPACE = NASBenchMacro(stem_width=4, widths=(6,), stages=(2,), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=40)
ARCHS = list(enumerate_space(SPACE))
SNIP = ZeroCost("snip", batch_size=8)


@pytest.fixture
def device():
    with accelerator_without_float64() as name:
        yield name


@pytest.fixture
def table(tmp_path):
    """Scores of `snip` nobody could compute."""
    path = tmp_path / "made-up.npz"
    np.savez_compressed(path, **{CODES: np.array(ARCHS, dtype=np.int8), "snip": np.arange(9.0) + 1000})
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    about = {"space": identity(SPACE), "task": identity(TASK), "seed": 0, "estimators": {"snip": identity(SNIP)}}
    told = {"population": "all", "count": 9, "command": "", "seconds": 0.0, "versions": {}, "processor": ""}
    card = Card(**about, **told, sha256=sha256, failures={})
    path.with_suffix(".json").write_text(json.dumps(asdict(card)))
    return ScoreTable(path, card)


def keys(session):
    return {row.name: row.key for row in session._store.rows()}


def test_a_score_of_a_cpu_keeps_the_key_it_always_had(tmp_path):
    fast = Arithmetic(tf32=True, deterministic=False)
    for name, settings in (("plain", {}), ("fast", {"arithmetic": fast})):
        with Session(tmp_path / name, SPACE, TASK, tables=(), **settings) as session:
            session.scores([SNIP], ARCHS[:1])
            assert keys(session) == {"snip": Key(fingerprint(SPACE), fingerprint(TASK), fingerprint(SNIP), 0)}


def test_devices_have_keys_of_their_own_and_costs_have_one(tmp_path, device):
    found = {}
    for where in ("cpu", device, f"{device}:0"):
        with Session(tmp_path / "run", SPACE, TASK, device=where, tables=()) as session:
            session.scores([SNIP, MACS()], ARCHS[:2])
            found[where] = session._keys.key(SNIP, ARCHS), session._keys.key(MACS(), ARCHS)
            rows = [row.name for row in session._store.rows()]
    assert found[device] == found[f"{device}:0"]
    assert found[device][0] != found["cpu"][0]
    assert found[device][1] == found["cpu"][1]
    assert sorted(rows) == ["macs"] * 2 + ["snip"] * 4


def test_a_score_of_the_cpu_does_not_answer_for_the_device(tmp_path, device, monkeypatch):
    with Session(tmp_path / "run", SPACE, TASK, tables=()) as session:
        here = session.scores([SNIP], ARCHS[:2])
    monkeypatch.setattr(ZeroCost, "score", lambda self, archs, ctx: np.full(len(archs), 5.0))
    with Session(tmp_path / "run", SPACE, TASK, device=device, tables=()) as session:
        assert (session.scores([SNIP], ARCHS[:2]) == 5).all()
    with Session(tmp_path / "run", SPACE, TASK, tables=()) as session:
        np.testing.assert_array_equal(session.scores([SNIP], ARCHS[:2]), here)


def test_what_is_trained_on_a_device_lies_in_a_folder_of_its_own(tmp_path, device):
    trained = PartialTraining(epochs=1)
    folders = set()
    for where, arithmetic in ((("cpu"), Arithmetic()), (device, Arithmetic()), (device, Arithmetic(tf32=True))):
        with Session(tmp_path / "run", SPACE, TASK, device=where, arithmetic=arithmetic) as session:
            folders.add(session.context(trained).workdir)
    assert len(folders) == 3


def test_another_arithmetic_is_another_score(tmp_path, device):
    found = set()
    for arithmetic in (Arithmetic(), Arithmetic(tf32=True), Arithmetic(deterministic=False)):
        with Session(tmp_path / "run", SPACE, TASK, device=device, arithmetic=arithmetic) as session:
            found.add(session._keys.key(SNIP, ARCHS))
    assert len(found) == 3


def test_a_predictor_is_as_its_teacher(tmp_path, device):
    for teacher, differs in ((SNIP, True), (MACS(), False), (Vote((MACS(), SNIP)), True)):
        found = set()
        for where in ("cpu", device):
            with Session(tmp_path / "run", SPACE, TASK, device=where) as session:
                found.add(session._keys.key(Predictor(teacher, samples=4), ARCHS))
        assert len(found) == 1 + differs


def test_shipped_tables_answer_for_a_cpu(tmp_path, device, table, monkeypatch):
    monkeypatch.setattr("archsieve.runs.session.shipped", lambda: (table,))
    with Session(tmp_path / "here", SPACE, TASK) as session:
        assert session.scores([SNIP], ARCHS)[:, 0].tolist() == list(range(1000, 1009))
    with Session(tmp_path / "there", SPACE, TASK, device=device) as session:
        assert (session.scores([SNIP], ARCHS) < 1000).all()


def test_a_table_that_is_asked_for_answers_and_stays_apart(tmp_path, device, table):
    def scores(**settings):
        with Session(tmp_path / "run", SPACE, TASK, device=device, **settings) as session:
            return session.scores([SNIP], ARCHS)[:, 0].tolist()

    assert scores(tables=[table]) == list(range(1000, 1009))
    computed = scores()
    assert max(computed) < 1000  # what was mixed is not what is asked for now
    assert scores(tables=[table])[0] == 1000


@dataclass(frozen=True)
class Settings:
    """Scores by whether torch is exact and deterministic now."""

    name = "settings"
    version = 1
    chunk_size = 1

    def score(self, archs, ctx):
        cudnn, precision = torch.backends.cudnn, torch.get_float32_matmul_precision()
        exact = (not cudnn.allow_tf32, cudnn.deterministic, not cudnn.benchmark, precision == "highest")
        return np.full(len(archs), sum(b << i for i, b in enumerate(exact)) + 16 * (os.getpid() != ctx.seed))


@dataclass(frozen=True)
class Taught:
    """Keeps what it saw while it learnt."""

    name = "taught"
    version = 1
    learns_from_pool = False

    def fit(self, pool, ctx, scores):
        ctx.workdir.mkdir(parents=True)
        (ctx.workdir / "seen").write_text(str(Settings().score(pool[:1], ctx)[0]))

    def score(self, archs, ctx):
        return np.full(len(archs), float((ctx.workdir / "seen").read_text()))


@pytest.mark.parametrize("estimator", [Settings(), Taught()])
@pytest.mark.parametrize(("arithmetic", "wanted"), [(Arithmetic(), 15), (Arithmetic(True, False, True), 0)])
def test_settings_are_stated_and_given_back(tmp_path, device, estimator, arithmetic, wanted):
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic, torch.get_float32_matmul_precision()
    with Session(tmp_path, SPACE, TASK, seed=os.getpid(), device=device, arithmetic=arithmetic) as session:
        assert session.scores([estimator], ARCHS[:2])[:, 0].tolist() == [wanted] * 2
    after = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic, torch.get_float32_matmul_precision()
    assert after == before


def test_workers_state_them_too(tmp_path):
    with Processes(2) as executor, Session(tmp_path, SPACE, TASK, seed=os.getpid(), executor=executor) as session:
        assert session.scores([Settings()], ARCHS[:2])[:, 0].tolist() == [31, 31]  # 16: another process


def test_the_command_line_says_that_tables_are_for_a_cpu(monkeypatch):
    monkeypatch.setattr("archsieve.tasks.cifar.CIFAR10.is_present", lambda self: False)
    options = ("measure", "nasbench201", "--benchmark", "nasbench201-analog", "--proxy", "synflow")
    with accelerator_without_float64() as name:
        monkeypatch.setattr("archsieve.cli.judging.judge", lambda session, *args, **settings: [])
        result = invoke(*options, "--device", name, "--json")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[-1] == (
        "The shipped score tables were computed on a CPU: they are not used with --device mps."
    )
    assert "of the shipped table" not in result.stderr
