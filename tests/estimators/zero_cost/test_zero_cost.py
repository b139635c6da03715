"""Zero-cost: the probe, the initial weights and the settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from archsieve.errors import EstimatorError, PartialScoringError, ScoringError, SettingError, UnknownNameError
from archsieve.estimators.contract import Context, Estimator, Grouped
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.estimators.zero_cost.proxy import Proxy
from archsieve.estimators.zero_cost.readings import gradients
from archsieve.fingerprints import fingerprint
from archsieve.registry import PROXIES, SPACES
from archsieve.runs.chunks import chunk_size
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic

SPACE = NASBenchMacro(stem_width=4, widths=(6,), stages=(2,), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=40)  # 36 to train on
ARCHS = [(0, 0), (1, 2), (2, 1)]


@pytest.fixture
def seen(monkeypatch):
    """What a proxy named `spy` was given; its score is the number of pictures."""
    calls = []

    def spy(network, probe):
        calls.append((network, probe))
        return len(probe.inputs)

    list(PROXIES)  # fills the catalogue, which is put back afterwards
    monkeypatch.setitem(PROXIES._entries, "spy", Proxy(spy, ("data", "labels"), version=7))
    return calls


def context(tmp_path, **kwargs):
    return Context(SPACE, TASK, tmp_path, **kwargs)


@pytest.mark.parametrize(("asked", "got"), [(8, 8), (36, 36), (64, 36)])
def test_the_batch_is_as_large_as_asked_or_as_there_is(seen, tmp_path, asked, got):
    assert ZeroCost("spy", batch_size=asked).score(ARCHS, context(tmp_path)).tolist() == [got] * 3
    assert ZeroCost("nwot", batch_size=64).score(ARCHS, context(tmp_path)).shape == (3,)


def test_every_architecture_gets_the_same_pictures_of_the_training_split(seen, tmp_path):
    ZeroCost("spy", batch_size=8).score(ARCHS, context(tmp_path))
    ZeroCost("spy", batch_size=8).score(ARCHS[:1], context(tmp_path, seed=1))
    first, *rest, other = [probe for _, probe in seen]
    assert all(torch.equal(first.inputs, probe.inputs) and torch.equal(first.targets, probe.targets) for probe in rest)
    assert not torch.equal(first.inputs, other.inputs)  # another run, another batch
    everything, _ = next(iter(TASK.batches("train", batch_size=100)))
    training = {x.numpy().tobytes() for x in everything}
    assert {x.numpy().tobytes() for x in first.inputs} <= training  # as they are: not augmented
    assert len({x.numpy().tobytes() for x in first.inputs}) == 8
    assert (first.num_outputs, first.seed, other.seed) == (4, 0, 1)


def test_proxies_get_copies_in_training_mode(seen, tmp_path, monkeypatch):
    def spoiler(network, probe):
        return float(sum(p.data.zero_().sum() for p in network.parameters()))

    monkeypatch.setitem(PROXIES._entries, "spoiler", Proxy(spoiler))
    members = [ZeroCost("spoiler"), ZeroCost("spy"), ZeroCost("snip")]
    together = members[0].score_group(members, ARCHS[:1], context(tmp_path))
    ((network, _),) = seen
    assert network.training
    assert network.head[-1].weight.abs().sum() > 0
    assert together[0, 2] == ZeroCost("snip").score(ARCHS[:1], context(tmp_path))[0] > 0


def test_shared_weights_and_weights_of_ones_own(seen, tmp_path):
    for init in ("shared", "per_architecture", "per_architecture"):
        ZeroCost("spy", init=init).score(ARCHS, context(tmp_path))
    stems = [network.stem[0].weight for network, _ in seen]
    shared, own, again = stems[:3], stems[3:6], stems[6:]
    assert all(torch.equal(shared[0], stem) for stem in shared)
    assert not any(torch.equal(a, b) for a, b in ((own[0], own[1]), (own[1], own[2]), (own[0], own[2])))
    assert not torch.equal(shared[0], own[0])
    assert all(torch.equal(a, b) for a, b in zip(own, again, strict=True))


def test_weights_of_ones_own_do_not_depend_on_company(tmp_path):
    estimator, ctx = ZeroCost("l2_norm", init="per_architecture"), context(tmp_path)
    scores = estimator.score(ARCHS, ctx)
    assert scores.tolist() == [estimator.score([arch], ctx)[0] for arch in ARCHS]
    assert not np.array_equal(scores, estimator.score(ARCHS, context(tmp_path, seed=1)))
    assert not np.array_equal(scores, ZeroCost("l2_norm").score(ARCHS, ctx))


def test_what_it_says_of_itself(seen):
    estimator = ZeroCost("spy", batch_size=8)
    assert isinstance(estimator, Estimator)
    assert isinstance(estimator, Grouped)
    # Its own version, and one for how all proxies get their networks.
    assert (estimator.name, estimator.version, estimator.needs) == ("spy", 7 + 1, ("data", "labels"))
    assert estimator.group == ZeroCost("snip", batch_size=8).group
    assert estimator.group != ZeroCost("spy", batch_size=9).group
    assert estimator.group != ZeroCost("spy", batch_size=8, init="per_architecture").group
    assert ZeroCost("l2_norm").needs == ()
    assert ZeroCost("snip").needs == ("data", "labels", "gradients")


def test_options_of_the_proxy_are_settings(tmp_path):
    plain, chosen = ZeroCost("nwot"), ZeroCost("nwot", options={"activations": "relu"})
    assert (plain.name, chosen.name) == ("nwot", "nwot[activations=relu]")
    assert plain == ZeroCost("nwot", options={"activations": "all"})  # said aloud, the default is no other setting
    assert fingerprint(plain) == fingerprint(ZeroCost("nwot", options={"activations": "all"})) != fingerprint(chosen)
    assert plain.group == chosen.group
    together = plain.score_group([plain, chosen], ARCHS, context(tmp_path))
    assert together[:, 0].tolist() == together[:, 1].tolist() == chosen.score(ARCHS, context(tmp_path)).tolist()


@pytest.mark.parametrize(
    ("needs", "use", "sentence"),
    [
        ((), lambda network, probe: probe.inputs.sum(), "uses the data without declaring it"),
        (("data",), lambda network, probe: len(probe.targets), "uses the labels without declaring it"),
        (("labels",), lambda network, probe: len(probe.targets), "uses the data without declaring it"),
        (
            ("data", "labels"),
            lambda network, probe: gradients(network(probe.inputs).sum(), list(network.parameters()))[0].sum(),
            "takes gradients without declaring it",
        ),
    ],
)
def test_a_proxy_gets_what_it_declares_and_nothing_else(seen, monkeypatch, tmp_path, needs, use, sentence):
    monkeypatch.setitem(PROXIES._entries, "sly", Proxy(use, needs))
    with pytest.raises(EstimatorError, match=sentence):
        ZeroCost("sly").score(ARCHS, context(tmp_path))
    monkeypatch.setitem(PROXIES._entries, "frank", Proxy(use, ("data", "labels", "gradients")))
    assert ZeroCost("frank").score(ARCHS, context(tmp_path)).shape == (3,)


def test_a_task_without_labels_is_refused_by_who_needs_them(tmp_path):
    probe = ZeroCost("snip")._probe(context(tmp_path))
    blind = replace(probe, batches=tuple((inputs, None) for inputs, _ in probe.batches))
    network = ZeroCost("snip").network(ARCHS[0], context(tmp_path))
    with pytest.raises(ScoringError, match="Labels are needed, but the task has none"):
        PROXIES["snip"](network, blind)
    assert PROXIES["nwot"](network, blind) == PROXIES["nwot"](network, probe)


def test_the_version_of_the_proxy_counts_in_the_fingerprint(seen, monkeypatch):
    before = fingerprint(ZeroCost("spy"))
    monkeypatch.setitem(PROXIES._entries, "spy", Proxy(PROXIES["spy"].function, version=8))
    assert fingerprint(ZeroCost("spy")) != before


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"proxy": "nwto"}, UnknownNameError, "There is no proxy 'nwto'. Did you mean 'nwot'?"),
        (
            {"proxy": "nwot", "options": {"activation": "relu"}},
            SettingError,
            "nwot has no option 'activation'. Did you",
        ),
        ({"proxy": "snip", "options": {"scale": 1}}, SettingError, "The proxy snip has no option 'scale'. It has none"),
        ({"proxy": "nwot", "batch_size": 0}, SettingError, "`batch_size >= 1` must hold, but got batch_size=0"),
        (
            {"proxy": "nwot", "init": "none"},
            SettingError,
            "`init` must be 'shared', 'per_architecture' or 'as_built', but got 'none'",
        ),
    ],
)
def test_settings_that_cannot_be(given, error, sentence):
    with pytest.raises(error) as raised:
        ZeroCost(**given)
    assert sentence in str(raised.value)


def test_what_cannot_be_scored_is_named_and_the_rest_given(seen, monkeypatch, tmp_path):
    def picky(network, probe):
        if network._path == (1, 2):
            raise ScoringError("no such thing")
        return 3.0

    monkeypatch.setitem(PROXIES._entries, "picky", Proxy(picky))
    with pytest.raises(PartialScoringError, match="1 scores could not be computed; the first: no such thing") as failed:
        ZeroCost("spy").score_group([ZeroCost("spy", 8), ZeroCost("picky", 8)], ARCHS, context(tmp_path))
    assert failed.value.reasons == {(1, 1): "no such thing"}
    np.testing.assert_array_equal(failed.value.scores, [[36, 3], [36, np.nan], [36, 3]])


def test_an_error_on_one_network_costs_that_score(seen, monkeypatch, tmp_path):
    def broken(network, probe):
        return 1 / (network._path[0] - 1)

    monkeypatch.setitem(PROXIES._entries, "broken", Proxy(broken))
    with pytest.raises(PartialScoringError) as failed:
        ZeroCost("spy").score_group([ZeroCost("spy"), ZeroCost("broken")], ARCHS, context(tmp_path))
    assert failed.value.reasons == {(1, 1): "ZeroDivisionError: division by zero"}
    np.testing.assert_array_equal(failed.value.scores[:, 1], [-1, np.nan, 1])


@pytest.mark.parametrize("error", [OSError("no space left"), ImportError("no such package"), SettingError("unmeant")])
def test_errors_of_the_run_are_not_blamed_on_a_network(seen, monkeypatch, tmp_path, error):
    def broken(network, probe):
        raise error

    monkeypatch.setitem(PROXIES._entries, "broken", Proxy(broken))
    with pytest.raises(type(error)):
        ZeroCost("broken").score(ARCHS, context(tmp_path))


def test_many_codes_come_at_a_time_only_where_they_share_prefixes():
    cells = SPACES["nasbench201"](width=4, cells=1)
    assert chunk_size(ZeroCost("nwot"), SPACE, TASK) == 256
    assert chunk_size(ZeroCost("nwot", init="per_architecture"), SPACE, TASK) == 32
    assert chunk_size(ZeroCost("snip"), SPACE, TASK) == 32
    assert chunk_size(ZeroCost("nwot"), cells, TASK) == 32  # a supernet that is no chain
    assert chunk_size(ZeroCost("nwot"), SPACES["topformer"](), TASK) == 32  # none at all
