"""Partial training: exact to resume, and the same whatever was asked before."""

from __future__ import annotations

import math
import re
import signal
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.errors import RunFolderError, SettingError
from archsieve.estimators.chance import Chance
from archsieve.estimators.combined.az_nas import AZNAS
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.combined.swap_regularised import RegularisedSwap
from archsieve.estimators.contract import Context, Estimator, Resumable
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.supernet import one_shot
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.fingerprints import fingerprint, identity
from archsieve.networks.building import build_network
from archsieve.plans.contract import Plan
from archsieve.plans.run import run_plan
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.spaces.contract import SearchSpace, enumerate_space
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.digits import Digits
from archsieve.tasks.evaluation import evaluate
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing import EstimatorContract
from archsieve.training import checkpoint
from archsieve.training.checkpoint import epochs_trained, is_beyond

SPACE = NASBenchMacro(stem_width=4, widths=(6,), stages=(2,), head_width=8)
# Many pictures to score on, so that equal scores say something; batches of 25 to train on.
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=300, test_images=170, signal=0.5, validation_fraction=0.5)
ARCHS = [(1, 0), (2, 2)]


def partial(epochs, **kwargs):
    return PartialTraining(**{"epochs": epochs, "horizon": 4, "batch_size": 25, **kwargs})


def scores(folder, epochs, archs=ARCHS, **kwargs):
    return partial(epochs, **kwargs).score(archs, Context(SPACE, TASK, folder)).tolist()


def test_epoch_two_after_epoch_one_is_epoch_two_at_once(tmp_path):
    scores(tmp_path / "pieces", 1)
    assert epochs_trained(tmp_path / "pieces" / "1-0.pt") == 1
    assert scores(tmp_path / "pieces", 2) == scores(tmp_path / "at once", 2)
    one, other = (torch.load(tmp_path / f / "2-2.pt", weights_only=True)["network"] for f in ("pieces", "at once"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_an_earlier_epoch_later_is_what_it_was_at_first(tmp_path):
    first = {epochs: scores(tmp_path, epochs) for epochs in (0, 1, 2, 3)}
    assert len({tuple(s) for s in first.values()}) > 2  # training does change scores
    before = (tmp_path / "1-0.pt").read_bytes()
    assert {epochs: scores(tmp_path, epochs) for epochs in (2, 0, 1, 3)} == first
    assert (tmp_path / "1-0.pt").read_bytes() == before


@pytest.mark.parametrize("asked", [1, 2])
def test_a_checkpoint_inside_a_later_epoch_is_not_this_epochs(tmp_path, monkeypatch, asked):
    class TerminatedError(Exception):
        pass

    def stop(*_):
        raise TerminatedError

    scores(tmp_path, asked)
    losses = []

    class Watched(type(TASK)):
        def loss(self, outputs, targets):
            losses.append(0)
            if len(losses) == 3:  # inside the next epoch, which has six steps
                signal.raise_signal(signal.SIGTERM)
            return super().loss(outputs, targets)

    watched = Watched(**{f.name: getattr(TASK, f.name) for f in fields(TASK)})
    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(TerminatedError):
            partial(asked + 1).score(ARCHS[:1], Context(SPACE, watched, tmp_path))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert is_beyond(tmp_path / "1-0.pt", asked)
    assert not is_beyond(tmp_path / "1-0.pt", asked + 1)
    held = (tmp_path / "1-0.pt").read_bytes()
    assert scores(tmp_path, asked, ARCHS[:1]) == scores(tmp_path / "anew", asked, ARCHS[:1])
    assert (tmp_path / "1-0.pt").read_bytes() == held
    assert scores(tmp_path, asked + 1, ARCHS[:1]) == scores(tmp_path / "anew", asked + 1, ARCHS[:1])


def test_a_fraction_of_the_data_is_trained_on_as_if_there_were_no_more(tmp_path):
    part = scores(tmp_path / "part", 2, fraction_of_data=0.4)
    fewer = Context(SPACE, replace(TASK, train_fraction=0.4), tmp_path / "fewer")
    assert part == partial(2).score(ARCHS, fewer).tolist()
    assert part != scores(tmp_path / "all", 2)


def test_a_fraction_of_data_needs_a_task_that_has_one(tmp_path):
    class Whole:
        name = "whole"

        def __getattr__(self, name):
            if name == "train_fraction":
                raise AttributeError(name)
            return getattr(TASK, name)

    ctx = Context(SPACE, Whole(), tmp_path)
    with pytest.raises(SettingError, match="The task 'whole' has no `train_fraction`: leave `fraction_of_data` at 1"):
        partial(1, fraction_of_data=0.5).score(ARCHS, ctx)
    with pytest.raises(SettingError, match="`0 < fraction_of_data <= 1` must hold, but got 0"):
        partial(1, fraction_of_data=0)


def test_no_epochs_score_the_initial_network(tmp_path):
    network = build_network(SPACE, (1, 0), TASK, 0).eval()
    assert scores(tmp_path, 0)[0] == evaluate(network, TASK, "validation")
    assert list(tmp_path.iterdir()) == []


def test_the_test_split_is_scored_on_where_asked(tmp_path):
    validated, tested = scores(tmp_path, 1), scores(tmp_path, 1, split="test")
    network = build_network(SPACE, (1, 0), TASK, 0)
    network.load_state_dict(torch.load(tmp_path / "1-0.pt", weights_only=True)["network"])
    assert tested[0] == evaluate(network.eval(), TASK, "test")
    assert validated[0] == evaluate(network, TASK, "validation")
    assert tested != validated
    assert epochs_trained(tmp_path / "1-0.pt") == 1  # one training for both


def test_it_learns_digits(tmp_path):
    space = NASBenchMacro(stem_width=8, widths=(16,), stages=(3,), head_width=32)
    estimator = PartialTraining(epochs=4, horizon=4, batch_size=32, learning_rate=0.05)
    (score,) = estimator.score([(1, 1, 1)], Context(space, Digits(), tmp_path))
    assert 60 < score <= 100  # chance is 10


def test_the_seed_of_the_run_counts(tmp_path):
    for seed in (0, 1):
        partial(1).score(ARCHS[:1], Context(SPACE, TASK, tmp_path / str(seed), seed))
    one, other = (torch.load(tmp_path / f / "1-0.pt", weights_only=True)["network"] for f in ("0", "1"))
    assert not torch.equal(one["stem.0.weight"], other["stem.0.weight"])


def test_a_repeat_is_another_training_with_checkpoints_of_its_own(tmp_path):
    first, second, third = (scores(tmp_path / f"{i}", 2, repeat=i) for i in range(3))
    assert len({tuple(found) for found in (first, second, third)}) == 3
    assert scores(tmp_path / "again", 2, repeat=1) == second
    assert scores(tmp_path / "own", 2) == first
    assert fingerprint(partial(2, repeat=1).lineage) == fingerprint(partial(1, repeat=1).lineage)
    assert fingerprint(partial(2, repeat=1).lineage) != fingerprint(partial(2).lineage)


def test_a_repeat_leaves_older_fingerprints_alone():
    assert "repeat" not in identity(partial(2))
    assert identity(partial(2, repeat=1)) == {**identity(partial(2)), "repeat": 1}
    assert partial(2, repeat=1).name == "partial_training[2, repeat 1]"


def test_what_parts_of_a_composite_keep_is_deleted_too(tmp_path):
    both = MeanRank((partial(1), partial(1, repeat=1)))
    with Session(tmp_path, SPACE, TASK) as session:
        session.scores([both], ARCHS)
        assert len(list(tmp_path.glob("artifacts/*/*.pt"))) == 4
        session.forget(both, ARCHS[:1])
        assert [path.name for path in tmp_path.glob("artifacts/*/*.pt")] == ["2-2.pt", "2-2.pt"]


def test_a_damaged_checkpoint_says_so(tmp_path):
    scores(tmp_path, 1)
    (tmp_path / "1-0.pt").write_bytes(b"PK")
    with pytest.raises(RunFolderError, match=r"The checkpoint .*1-0\.pt is damaged"):
        scores(tmp_path, 2)


class TestPartialTraining(EstimatorContract):
    estimator, task = partial(1), TASK
    space = NASBench201(width=2, cells=1, stages=1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"epochs": -1}, "`epochs >= 0` must hold, but got epochs=-1"),
        ({"repeat": -1}, "`repeat >= 0` must hold, but got repeat=-1"),
        ({"split": "train"}, "`split` must be 'validation' or 'test', but got 'train'"),
        ({"horizon": 0}, "`horizon >= 1`"),
        ({"batch_size": 0}, "`batch_size >= 1` must hold"),
        ({"learning_rate": 0.0}, "`learning_rate > 0`"),
        ({"clip": -1.0}, "`clip > 0` must hold"),
    ],
)
def test_settings_that_cannot_be(given, sentence):
    with pytest.raises(SettingError, match=sentence):
        PartialTraining(**given)


def test_what_it_says_of_itself():
    estimator = PartialTraining(epochs=3)
    assert isinstance(estimator, Estimator)
    assert isinstance(estimator, Resumable)
    assert estimator.name == "partial_training[3]"
    assert PartialTraining(epochs=3, split="test").name == "partial_training[3, test]"
    assert estimator.needs == ("data", "labels")


def test_one_lineage_for_all_epochs_and_splits_of_one_training():
    lineages = {fingerprint(p.lineage) for p in (partial(1), partial(3), partial(2, split="test"), partial(1).lineage)}
    assert len(lineages) == 1
    others = [partial(1, horizon=5), partial(1, batch_size=26), partial(1, nesterov=True), partial(1, clip=4.0)]
    assert len(lineages | {fingerprint(p.lineage) for p in others}) == 5


# What diverges


class Wild(nn.Module):
    """A linear network; where told, it blows up with its first step, or puts out NaN in evaluation."""

    def __init__(self, task, how):
        super().__init__()
        self.line = nn.Linear(math.prod(task.input_shape), task.num_outputs)
        self.how = how

    def forward(self, inputs):
        outputs = self.line(inputs.flatten(1))
        if self.how == 1:
            return outputs * 1e30
        return outputs * torch.nan if self.how == 2 and not self.training else outputs


@dataclass(frozen=True)
class Moods(SearchSpace):
    """A calm network, one that diverges, one that is broken in evaluation."""

    name: ClassVar[str] = "moods"
    choices: ClassVar[tuple[int, ...]] = (3,)

    def build(self, arch, task):
        return Wild(task, arch[0])


def test_a_training_that_diverges_is_a_failure_and_the_others_keep_their_scores(tmp_path):
    estimator, archs = PartialTraining(epochs=1, horizon=2, batch_size=25, clip=math.inf), [(0,), (1,), (2,)]
    with Session(tmp_path, Moods(), TASK) as session:
        scores = session.scores([estimator, Chance()], archs)
        assert np.isnan(scores[:, 0]).tolist() == [False, True, True]
        assert not np.isnan(scores[:, 1]).any()
        reasons = session.failures(estimator, archs)
        assert set(reasons) == {(1,), (2,)}
        assert re.match(r"The training diverged: in epoch 1 .*, at a learning rate of 0\.1\. Lower it\.", reasons[1,])
        assert reasons[2,].startswith("the network puts out NaN on the split 'validation'")
        folder = session.context(estimator).workdir
        assert not (folder / "1.pt").exists()
        assert session.tracebacks == ""  # a failure that was foreseen
    final = PartialTraining(epochs=2, horizon=2, batch_size=25, clip=math.inf, split="test")
    with Session(tmp_path, Moods(), TASK) as session:
        result = run_plan(Plan(Moods(), TASK, (Stage(estimator, top=1),), final=final), session)
        assert (result.code, result.failure, result.stages[0].failures) == ((0,), "", 2)
        assert np.isnan(session.scores([final], [(1,)])).all()


def test_a_supernet_that_diverges_is_a_failure_of_all_its_paths(tmp_path):
    estimator = OneShot(epochs=2, learning_rate=1e30, clip=math.inf)
    with Session(tmp_path, SPACE, TASK) as session:
        scores = session.scores([estimator, Chance()], ARCHS)
        assert np.isnan(scores[:, 0]).all()
        assert not np.isnan(scores[:, 1]).any()
        for reason in session.failures(estimator, ARCHS).values():
            assert reason.startswith("while learning: The training diverged: in epoch 1 ")
        plan = Plan(SPACE, TASK, (Stage(estimator, keep=0.5),))
        result = run_plan(plan, session)
        assert result.best is None
        assert "'one_shot' could score none of 9 architectures; the first reason: while learning: " in result.failure


@pytest.mark.parametrize("batch_norm", ["batch", "recalibrated"])
def test_paths_that_put_out_nan_fail_alone(tmp_path, monkeypatch, batch_norm):
    archs = list(enumerate_space(SPACE))[:3]
    evaluate_each = one_shot.evaluate_each

    def broken(outputs, *arguments, **settings):
        def some(inputs):
            return ((a, out * torch.nan if a == archs[1] else out) for a, out in outputs(inputs))

        return evaluate_each(some, *arguments, **settings)

    monkeypatch.setattr(one_shot, "evaluate_each", broken)
    with Session(tmp_path, SPACE, TASK) as session:
        estimator = OneShot(epochs=1, batch_norm=batch_norm)
        scores = session.scores([estimator], archs)[:, 0]
        assert np.isnan(scores).tolist() == [False, True, False]
        assert session.failures(estimator, archs)[archs[1]].startswith("the network puts out NaN on the split")


@pytest.mark.parametrize(
    ("estimator", "given", "sentence"),
    [
        (PartialTraining, {"learning_rate": math.inf}, "`learning_rate` must be finite"),
        (PartialTraining, {"momentum": 2.0}, "`0 <= momentum < 1` must hold, but got momentum=2.0"),
        (PartialTraining, {"weight_decay": math.inf}, "must be finite and not negative"),
        (PartialTraining, {"clip": math.nan}, "must be numbers, but got clip=nan"),
        (PartialTraining, {"epochs": 1.5}, "`epochs` must be a whole number, but got epochs=1.5"),
        (PartialTraining, {"fraction_of_data": math.nan}, "`0 < fraction_of_data <= 1` must hold, but got nan"),
        (OneShot, {"learning_rate": -1.0}, "`learning_rate > 0`"),
        (OneShot, {"final_learning_rate": 1.0}, "`0 <= final_learning_rate <= learning_rate` must hold"),
        (OneShot, {"momentum": 1.0}, "`0 <= momentum < 1` must hold"),
        (OneShot, {"epochs": 0}, "`epochs >= 1` must hold, but got epochs=0"),
        (OneShot, {"batch_size": 0}, "`batch_size >= 1` must hold"),
        (OneShot, {"scoring_items": 0}, "`scoring_items >= 1` must hold"),
        (RegularisedSwap, {"mu": math.nan}, "`mu` must be finite, but got mu=nan"),
        (RegularisedSwap, {"sigma": math.nan}, "`sigma > 0` must hold"),
        (RegularisedSwap, {"calibration": 0}, "`calibration >= 1` must hold, but got calibration=0"),
        (AZNAS, {"calibration": 0}, "`calibration >= 1` must hold, but got calibration=0"),
        (AZNAS, {"batch_size": 0}, "`batch_size >= 1` must hold, but got batch_size=0"),
    ],
)
def test_settings_that_cannot_be_meant(estimator, given, sentence):
    with pytest.raises(SettingError, match=sentence):
        estimator(**given)


def test_going_on_reads_each_checkpoint_once(tmp_path, monkeypatch):
    reads, load = [], checkpoint._load
    monkeypatch.setattr(checkpoint, "_load", lambda path: reads.append(path.name) or load(path))
    first = scores(tmp_path, 1)
    assert reads == []
    second = scores(tmp_path, 2)
    assert sorted(reads) == ["1-0.pt", "2-2.pt"]
    assert scores(tmp_path / "at once", 2) == second != first
