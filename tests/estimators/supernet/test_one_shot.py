"""One-shot: a supernet trained once, exactly resumable, that learns something."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from archsieve.errors import SettingError
from archsieve.estimators.contract import Context, Estimator, Fittable
from archsieve.estimators.supernet import one_shot
from archsieve.estimators.supernet.one_shot import OneShot, each_path, use_batch_statistics
from archsieve.estimators.supernet.paths import fair
from archsieve.networks.building import as_inputs, build_network, laid_out
from archsieve.networks.supernets import build_supernet
from archsieve.randomness import generator
from archsieve.runs.session import Session
from archsieve.spaces.contract import SearchSpace, enumerate_space
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.digits import Digits
from archsieve.tasks.evaluation import evaluate
from archsieve.tasks.synthetic import Synthetic
from archsieve.training import checkpoint
from archsieve.training.checkpoint import epochs_trained

SPACE = NASBenchMacro(stem_width=4, widths=(6,), stages=(3,), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=60, signal=1.0)  # 54 to train on, 6 to score on
SETTINGS = {"epochs": 3, "batch_size": 20, "learning_rate": 0.05}
ARCHS = [(0, 0, 0), (1, 2, 0), (2, 1, 1), (0, 2, 2)]


class CutOff:
    """A task whose training stops at the beginning of its `last` epoch, as when a process is killed."""

    def __init__(self, task, last):
        self._task, self._left = task, last

    def __getattr__(self, name):
        return getattr(self._task, name)

    def batches(self, split, **kwargs):
        self._left -= split == "train"
        if self._left < 1:
            raise KeyboardInterrupt
        return self._task.batches(split, **kwargs)


def fitted(folder, estimator, task=TASK, space=SPACE, seed=0):
    ctx = Context(space, task, folder, seed)
    estimator.fit([], ctx, None)
    return ctx


def weights(ctx):
    return torch.load(ctx.workdir / "supernet.pt", weights_only=True)["network"]


def test_fitting_again_does_nothing(tmp_path, monkeypatch):
    estimator = OneShot(**SETTINGS)
    ctx = fitted(tmp_path, estimator)
    before = (tmp_path / "supernet.pt").read_bytes()
    monkeypatch.setattr(one_shot, "train", lambda *args, **kwargs: pytest.fail("it was trained again"))
    monkeypatch.setattr(one_shot, "build_supernet", lambda *args: pytest.fail("it was built again"))
    estimator.fit([(0, 0, 0)], ctx, None)
    assert (tmp_path / "supernet.pt").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["supernet.pt"]


def test_fitting_tells_the_epochs(tmp_path):
    told = []
    OneShot(**SETTINGS).fit([], Context(SPACE, TASK, tmp_path, progress=lambda *state: told.append(state)), None)
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("last", [2, 3])
def test_an_interrupted_fit_goes_on_and_ends_the_same(tmp_path, last):
    estimator = OneShot(**SETTINGS)
    at_once = fitted(tmp_path / "at once", estimator)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "pieces", estimator, task=CutOff(TASK, last))
    assert epochs_trained(tmp_path / "pieces" / "supernet.pt") == last - 1
    pieces = fitted(tmp_path / "pieces", estimator)
    one, other = weights(at_once), weights(pieces)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert estimator.score(ARCHS, at_once).tolist() == estimator.score(ARCHS, pieces).tolist()


def test_all_paths_are_trained(tmp_path):
    ctx = fitted(tmp_path, OneShot(epochs=6, batch_size=9))
    after, before = weights(ctx), build_supernet(SPACE, TASK, 0).state_dict()
    still = {name for name in after if name.endswith("weight") and torch.equal(after[name], before[name])}
    assert still == set()


def test_runs_of_other_seeds_differ(tmp_path):
    one, other = (weights(fitted(tmp_path / str(s), OneShot(**SETTINGS), seed=s)) for s in (0, 1))
    assert not torch.equal(one["head.5.weight"], other["head.5.weight"])


def test_scores_do_not_depend_on_order_or_company(tmp_path):
    estimator = OneShot(**SETTINGS)
    ctx = fitted(tmp_path, estimator)
    scores = estimator.score(ARCHS, ctx)
    assert scores.shape == (4,)
    assert estimator.score(ARCHS[::-1], ctx).tolist() == scores[::-1].tolist()
    assert [estimator.score([arch], ctx)[0] for arch in ARCHS] == scores.tolist()


def test_fitting_and_scoring_leave_the_random_state_alone(tmp_path):
    before = torch.get_rng_state()
    OneShot(**SETTINGS).score(ARCHS, fitted(tmp_path, OneShot(**SETTINGS)))
    assert torch.equal(torch.get_rng_state(), before)


def test_it_learns_digits(tmp_path):
    space = NASBenchMacro(stem_width=8, widths=(16,), stages=(3,), head_width=32)
    estimator = OneShot(epochs=8, learning_rate=0.05, batch_size=32)
    ctx = fitted(tmp_path, estimator, task=Digits(), space=space)
    archs = [space.sample(np.random.default_rng(seed)) for seed in range(8)]
    scores = estimator.score(archs, ctx)
    assert 20 < scores.min() < scores.max() <= 100  # chance is 10
    assert scores.mean() > 50


def test_the_score_is_the_accuracy_of_the_path_by_batch_statistics(tmp_path):
    estimator, arch = OneShot(**SETTINGS), (2, 1, 1)
    ctx = fitted(tmp_path, estimator)
    network = build_network(SPACE, arch, TASK, 0)
    state = weights(ctx)
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    (inputs, targets), *more = TASK.batches("validation", batch_size=100)
    assert more == []
    with torch.no_grad():
        hits = network.train()(inputs).argmax(1) == targets  # training mode is what uses the batch's statistics
    assert estimator.score([arch], ctx).tolist() == [pytest.approx(100 * hits.float().mean().item())]


def test_scoring_items_limit_what_is_scored_on(tmp_path):
    ctx = fitted(tmp_path, OneShot(**SETTINGS))
    few = OneShot(**SETTINGS, scoring_items=2).score(ARCHS, ctx)
    assert set(few.tolist()) <= {0.0, 50.0, 100.0}
    everything = OneShot(**SETTINGS, scoring_items=6).score(ARCHS, ctx)
    assert everything.tolist() == OneShot(**SETTINGS).score(ARCHS, ctx).tolist()


def test_it_works_on_cells(tmp_path):
    space, estimator = NASBench201(width=2, cells=1, stages=2), OneShot(epochs=1, batch_size=20)
    ctx = fitted(tmp_path, estimator, space=space)
    scores = estimator.score([(0,) * 6, (3,) * 6], ctx)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("space", [SPACE, NASBench201(width=2, cells=1, stages=2)], ids=["chain", "cells"])
def test_paths_scored_together_give_the_outputs_of_paths_alone(space):
    supernet = laid_out(build_supernet(space, TASK, 0), "cpu").eval()
    use_batch_statistics(supernet)
    archs = list(enumerate_space(space))[:27]
    inputs = as_inputs(torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        found = dict(each_path(supernet, archs[::-1], inputs, may_share=True))
        assert sorted(found) == archs
        assert all(torch.equal(found[arch], supernet(inputs, arch)) for arch in archs)


def test_common_prefixes_are_evaluated_once():
    supernet = build_supernet(SPACE, TASK, 0)
    calls = Counter()
    for position, options in enumerate(supernet.choices):
        for block in options.values():
            block.register_forward_hook(lambda *_, position=position: calls.update([position]))
    list(each_path(supernet, list(enumerate_space(SPACE)), torch.zeros(2, 3, 8, 8), may_share=True))
    assert calls == {0: 3, 1: 9, 2: 27}


def test_fair_sampling_trains_every_option_once_a_step():
    seen = Counter()
    rng = np.random.default_rng(0)
    for _ in range(300):
        paths = list(fair(SPACE, rng))
        assert all(sorted(column) == [0, 1, 2] for column in zip(*paths, strict=True))
        seen.update(paths)
    assert len(seen) == 27
    assert min(seen.values()) > 15  # 900 paths: 33 of each are expected


def test_fair_sampling_takes_the_sum_of_gradients(tmp_path):
    ctx = fitted(tmp_path, OneShot(epochs=1, batch_size=54, sampling="fair", weight_decay=0.0, momentum=0.0, clip=1e9))
    supernet = laid_out(build_supernet(SPACE, TASK, 0), "cpu").train()
    ((inputs, targets),) = TASK.batches("train", batch_size=54, rng=generator(0, "train", 0), augment=True)
    for arch in fair(SPACE, generator(0, "sample", 0)):
        TASK.loss(supernet(as_inputs(inputs), arch), targets).backward()
    expected = {name: p - 0.025 * p.grad for name, p in supernet.named_parameters()}
    state = weights(ctx)
    assert all(torch.allclose(state[name], value, rtol=1e-6, atol=1e-7) for name, value in expected.items())


@dataclass(frozen=True)
class Uneven(NASBenchMacro):
    """A space of decisions with different numbers of options."""

    @property
    def choices(self):
        return (3, 2, 3)


@dataclass(frozen=True)
class Bound(NASBenchMacro):
    """A space that forbids one combination."""

    def is_valid(self, arch):
        return arch != (2, 0, 1)


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (Uneven, "Fair sampling trains every option equally often, but the decisions of .* have 2 to 3 options"),
        (Bound, "Fair sampling combines options freely, which .* forbids"),
    ],
)
def test_spaces_that_cannot_be_sampled_fairly(tmp_path, space, sentence):
    with pytest.raises(SettingError, match=sentence):
        fitted(tmp_path, OneShot(**SETTINGS, sampling="fair"), space=space(widths=(6,), stages=(3,)))


def test_recalibrated_statistics_are_the_means_over_training_batches(tmp_path):
    settings = {**SETTINGS, "batch_norm": "recalibrated", "recalibration_batches": 2}
    ctx, arch = fitted(tmp_path, OneShot(**settings)), (2, 1, 1)
    network = build_network(SPACE, arch, TASK, 0)
    state = weights(ctx)
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    rng = generator(0, "batch", "recalibration")
    with torch.no_grad():
        for inputs, _ in list(TASK.batches("train", batch_size=20, rng=rng))[:2]:
            network.train()(inputs)
    expected = evaluate(network.eval(), TASK, "validation")
    # In any order and company: a path's statistics are its own.
    estimator = OneShot(**settings)
    assert estimator.score([(0, 0, 0), arch, (2, 1, 0)], ctx)[1] == expected
    assert estimator.score([arch], ctx).tolist() == [expected]


def test_ways_of_scoring_share_one_supernet(tmp_path):
    one = OneShot(**SETTINGS)
    few = OneShot(**SETTINGS, scoring_items=2, batch_norm="recalibrated", recalibration_batches=3)
    other = OneShot(**SETTINGS, sampling="fair")
    with Session(tmp_path, SPACE, TASK) as session:
        folders = [session.context(e).workdir for e in (one, few, other)]
        session.scores([one, few], ARCHS)
    assert folders[0] == folders[1] != folders[2]
    assert [p.name for p in (tmp_path / "artifacts").iterdir()] == [folders[0].name]


def test_batch_statistics_whatever_the_mode():
    network = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.BatchNorm1d(1), torch.nn.Dropout(0.5)).eval()
    use_batch_statistics(network)
    assert [m.training for m in network] == [False, True, False]


def test_a_space_without_supernet_is_refused(tmp_path):
    class Plain(SearchSpace):
        choices = (2,)

        def build(self, arch, task):
            raise NotImplementedError

    with pytest.raises(SettingError, match=r"The space Plain has no supernet: give it a method supernet\(task\)"):
        fitted(tmp_path, OneShot(**SETTINGS), space=Plain())


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"scoring_items": 0}, "`scoring_items >= 1` must hold, but got scoring_items=0"),
        ({"epochs": 0}, "`epochs >= 1`"),
        ({"sampling": "unfair"}, "`sampling` must be 'uniform', 'fair' or 'sandwich', but got 'unfair'"),
        ({"batch_norm": "none"}, "`batch_norm` must be 'batch' or 'recalibrated', but got 'none'"),
        ({"sampling": "sandwich", "random_paths": -1}, "`random_paths >= 0` must hold, but got random_paths=-1"),
        ({"distillation": True}, "`random_paths` and `distillation` need sampling='sandwich', but got 'uniform'"),
        ({"sampling": "fair", "random_paths": 3}, "need sampling='sandwich', but got 'fair'"),
        ({"recalibration_batches": 0}, "`recalibration_batches >= 1`"),
        ({"batch_size": 0}, "`batch_size >= 1` must hold"),
        ({"learning_rate": -0.1}, "`learning_rate > 0`"),
        ({"clip": 0.0}, "`clip > 0` must hold"),
    ],
)
def test_settings_that_cannot_be(given, sentence):
    with pytest.raises(SettingError, match=sentence):
        OneShot(**given)


def test_what_it_says_of_itself():
    estimator = OneShot()
    assert isinstance(estimator, Estimator)
    assert isinstance(estimator, Fittable)
    assert (estimator.name, estimator.learns_from_pool, estimator.needs) == ("one_shot", False, ("data", "labels"))
    assert [estimator._recipe().rate(e) for e in (0, 25, 50)] == pytest.approx([0.025, 0.0125, 0.0])


# Checkpoints are read once


@pytest.fixture
def reads(monkeypatch):
    """The checkpoints that were read from the disk."""
    calls, load = [], checkpoint._load
    monkeypatch.setattr(checkpoint, "_load", lambda path: calls.append(path.name) or load(path))
    return calls


@pytest.mark.parametrize("batch_norm", ["batch", "recalibrated"])
def test_chunks_share_the_loaded_supernet(tmp_path, reads, batch_norm):
    estimator = OneShot(**SETTINGS, batch_norm=batch_norm, recalibration_batches=1)
    ctx = fitted(tmp_path, estimator)
    chunks = [estimator.score([arch], ctx)[0] for arch in ARCHS]
    assert reads == ["supernet.pt"]
    estimator.forget(ARCHS, ctx)
    assert estimator.score(ARCHS, ctx).tolist() == chunks
    assert reads == ["supernet.pt"] * 2


def test_a_stage_reads_the_checkpoint_once(tmp_path, reads):
    estimator = OneShot(**SETTINGS)
    fitted(tmp_path, estimator)
    one_shot._SUPERNETS.forget()
    ctx = fitted(tmp_path, estimator)
    ctx = fitted(tmp_path, estimator)
    estimator.score(ARCHS[:2], ctx)
    assert reads == ["supernet.pt"]


def test_a_supernet_that_was_trained_on_is_loaded_again(tmp_path):
    estimator = OneShot(**SETTINGS)
    ctx = fitted(tmp_path, OneShot(**{**SETTINGS, "epochs": 1}))
    before = estimator.score(ARCHS, ctx)
    fitted(tmp_path, estimator)
    after = estimator.score(ARCHS, ctx)
    one_shot._SUPERNETS.forget()
    assert estimator.score(ARCHS, ctx).tolist() == after.tolist() != before.tolist()
