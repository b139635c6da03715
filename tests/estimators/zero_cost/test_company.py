"""A score depends on the network alone: not on what else is scored, in which order, chunk or process."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from archsieve.errors import PartialScoringError
from archsieve.estimators.contract import Context
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.tasks.synthetic import Synthetic

from .odd_networks import BLOCKS, INPUTS, OUTPUTS, OddSpace
from .test_every_proxy import ANYWHERE, SHIPPED

SPACE, TASK = OddSpace(), Synthetic(shape=(3, 8, 8), num_outputs=3, images=20, test_images=6)


def odd_codes(turns):
    """Return codes in which every block is `turns` times the first and the second, at random beside each other.

    They hold every way of writing and kind of output too.
    """
    rng = np.random.default_rng(0)
    blocks = [rng.permutation(len(BLOCKS)) for _ in range(2 * turns)]
    pairs = zip(np.concatenate(blocks[:turns]).tolist(), np.concatenate(blocks[turns:]).tolist(), strict=True)
    return [(i % len(INPUTS), *pair, int(rng.integers(len(OUTPUTS)))) for i, pair in enumerate(pairs)]


def outcomes(proxies, archs, ctx):
    """Return by (code, proxy) the score's bytes, or the reason why there is none."""
    members = [ZeroCost(name, batch_size=6) for name in proxies]
    reasons = {}
    try:
        scores = members[0].score_group(members, archs, ctx)
    except PartialScoringError as failed:
        scores, reasons = failed.scores, failed.reasons
    return {
        (arch, name): reasons.get((i, k), scores[i, k].tobytes())
        for i, arch in enumerate(archs)
        for k, name in enumerate(proxies)
    }


def states():
    return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002


@pytest.mark.parametrize("turns", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_scores_of_odd_networks_do_not_depend_on_company(tmp_path, turns):
    """Each of 33 or 66 networks by each proxy, alone and in chunks of random networks, proxies and orders."""
    ctx, codes, before = Context(SPACE, TASK, tmp_path), odd_codes(turns), states()
    count = len(codes)
    alone = {key: value for a in codes for name in SHIPPED for key, value in outcomes([name], [a], ctx).items()}
    different = []
    for draw in range(2):
        rng = np.random.default_rng(draw)
        order = rng.permutation(count)
        for chunk in np.split(order, np.sort(rng.choice(np.arange(1, count), 6, replace=False))):
            proxies = list(rng.permutation(SHIPPED)[: rng.integers(2, len(SHIPPED) + 1)])
            found = outcomes(proxies, [codes[i] for i in chunk], ctx)
            different += [key for key, value in found.items() if value != alone[key]]
    assert not different
    assert states() == before  # the caller's generators
    assert len(alone) == count * len(SHIPPED)
    refusals = [reason for (_, name), reason in alone.items() if isinstance(reason, str) and name in ANYWHERE]
    assert len(refusals) < 0.05 * len(alone)
    assert all(reason.endswith(".") or "Error: " in reason for reason in refusals)
