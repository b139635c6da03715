"""Walking the tree of prefixes gives what whole networks give, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from archsieve.estimators.contract import Context
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.estimators.zero_cost.meter import score_chain, score_whole
from archsieve.networks.supernets import build_supernet
from archsieve.registry import PROXIES
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.layers.chain import Chain
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from plugins.shipped import shipped

SPACE = NASBenchMacro(stem_width=4, widths=(6, 8), stages=(2, 3), head_width=10)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=40)
METERED = sorted(name for name in shipped(PROXIES) if PROXIES[name].meter)


def one_by_one(name, archs, ctx):
    """Score fresh networks, each whole."""
    estimator = ZeroCost(name)
    probe = estimator._probe(ctx)
    return [PROXIES[name](estimator.network(arch, ctx), probe) for arch in archs]


def test_the_vote_is_metered():
    assert METERED == ["l2_norm", "meco", "nwot", "swap", "zen"]


@pytest.mark.parametrize("name", METERED)
def test_a_tree_of_prefixes_equals_whole_networks(name, tmp_path):
    ctx = Context(SPACE, TASK, tmp_path)
    archs = [a for a in enumerate_space(SPACE) if SPACE.canonical(a) == a][::7]
    scores = ZeroCost(name).score(archs[::-1], ctx)[::-1]
    assert np.array_equal(scores, one_by_one(name, archs, ctx))
    assert len(set(scores.tolist())) > 4


@pytest.mark.slow
@pytest.mark.parametrize("name", METERED)
def test_a_tree_of_prefixes_equals_whole_networks_of_full_size(name, tmp_path):
    space, rng = NASBenchMacro(), np.random.default_rng(0)
    ctx = Context(space, Synthetic(), tmp_path)
    archs = sorted({space.canonical(space.sample(rng)) for _ in range(24)})
    assert np.array_equal(ZeroCost(name).score(archs, ctx), one_by_one(name, archs, ctx))


@pytest.mark.parametrize("name", METERED)
def test_a_space_that_is_no_chain_is_scored_whole(name, tmp_path):
    ctx = Context(NASBench201(width=4, cells=1), TASK, tmp_path)
    archs = [(3, 1, 2, 0, 4, 3), (1, 1, 1, 1, 1, 1)]
    assert np.array_equal(ZeroCost(name).score(archs, ctx), one_by_one(name, archs, ctx))


def test_every_block_runs_once_a_prefix(tmp_path):
    ctx = Context(SPACE, TASK, tmp_path)
    estimator = ZeroCost("nwot")
    chain, calls = build_supernet(SPACE, TASK, 0), []
    for position, options in enumerate(chain.choices):
        for option, block in options.items():
            block.register_forward_hook(lambda *_, at=(position, option): calls.append(at))
    archs = [(0, 0, 0, 0, 0), (0, 0, 0, 0, 1), (0, 0, 0, 1, 1), (2, 0, 0, 1, 1)]
    score_chain(PROXIES["nwot"].meter(chain, estimator._probe(ctx)), chain, archs, "cpu")
    assert len(calls) == 5 + 1 + 2 + 5


def test_what_one_path_lacks_is_said_of_that_path(tmp_path):
    class Blocks:
        def stem(self):
            return nn.Identity()

        def block(self, position, option):
            return nn.ReLU() if option else nn.Identity()

        def head(self):
            return nn.Linear(2, 2)

    task = Synthetic(shape=(1, 1, 2))
    probe = ZeroCost("nwot")._probe(Context(SPACE, task, tmp_path))
    chain = Chain(SPACE, task, Blocks(), [(0, 1)])
    scores = score_chain(PROXIES["nwot"].meter(chain, probe), chain, [(0,), (1,)], "cpu")
    assert scores[0,].reason == "nwot counts activations, and this network has none that it can count."
    assert (scores[1,].reason, isinstance(scores[1,].score, float)) == (None, True)


def test_a_meter_leaves_no_hooks(tmp_path):
    ctx = Context(SPACE, TASK, tmp_path)
    network = ZeroCost("nwot").network((0, 1, 2, 1, 0), ctx)
    probe = ZeroCost("nwot")._probe(ctx)
    for name in METERED:
        score_whole(PROXIES[name].meter(network, probe), network)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_proxies_asked_for_together_share_one_backward_pass(tmp_path, monkeypatch):
    ctx, passes = Context(SPACE, TASK, tmp_path), []
    backward = torch.autograd.grad
    monkeypatch.setattr("torch.autograd.grad", lambda *a, **k: passes.append(1) or backward(*a, **k))
    members = [ZeroCost(name) for name in ("snip", "grad_norm", "plain", "fisher", "jacov", "epe_nas")]
    archs = [(0, 1, 2, 1, 0), (1, 1, 1, 1, 1)]
    together = members[0].score_group(members, archs, ctx)
    assert len(passes) == 2 * len(archs)
    for column, member in enumerate(members):
        assert np.array_equal(together[:, column], member.score(archs, ctx))
