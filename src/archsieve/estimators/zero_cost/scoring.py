"""Scoring by zero-cost proxies: a new network for each architecture, and one probe for all."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import torch

from archsieve.errors import PartialScoringError, ends_the_run, reason_of
from archsieve.estimators.contract import Outcome
from archsieve.estimators.prefixes import holds_chains
from archsieve.estimators.zero_cost.computed_weights import copy_network, with_plain_weights
from archsieve.estimators.zero_cost.meter import score_chain
from archsieve.estimators.zero_cost.own_weights import may_have_own_weights
from archsieve.estimators.zero_cost.proxy import Probe
from archsieve.estimators.zero_cost.readings import release_graphs
from archsieve.networks.building import as_inputs, build_network, laid_out
from archsieve.networks.generators import drawing
from archsieve.networks.inputs import is_real
from archsieve.networks.supernets import build_supernet
from archsieve.randomness import derive_seed, generator
from archsieve.registry import PROXIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from archsieve.estimators.contract import Context, Scores
    from archsieve.estimators.zero_cost.estimator import ZeroCost
    from archsieve.estimators.zero_cost.proxy import MeterFactory, Proxy
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.spaces.layers.chain import Chain
    from archsieve.tasks.contract import Task

_Chosen: TypeAlias = "tuple[Proxy, dict[str, Any]]"  # a proxy and its options


def score_group(
    estimator: ZeroCost, members: Sequence[ZeroCost], archs: Sequence[Architecture], ctx: Context
) -> Scores:
    """Return the scores of all members, shape (n, k); members differ only in proxy and options.

    Where the space lets proxies share (`SearchSpace.is_shareable`), one network an architecture serves all of them,
    and if networks are chains, proxies that only look at forward passes walk the tree of common prefixes instead.
    Elsewhere each proxy gets a network of its own. A proxy that fails on a network costs that score only.

    Raises:
        PartialScoringError: some could not be scored; says which, and gives the scores of the rest.
    """
    proxies = {member.name: (PROXIES[member.proxy], dict(member.options)) for member in members}
    probe = probe_of(estimator, ctx, max(proxy.batches for proxy, _ in proxies.values()))
    is_simple = is_real(probe.batches[0][0])  # what needs noise in the place of tokens takes whole networks
    metered = {n: p for n, p in proxies.items() if p[0].meter and (is_simple or "data" in p[0].needs)}
    outcomes = _score_paths(estimator, metered, archs, probe, ctx)
    alone = {name: chosen for name, chosen in proxies.items() if name not in outcomes}
    if ctx.space.is_shareable:
        alone = dict(sorted(alone.items(), key=lambda item: _turn(item[1][0])))
        readings = frozenset(proxy.reads for proxy, _ in alone.values() if proxy.reads)
        probe = replace(probe, shared=readings if is_simple and len(readings) > 1 else frozenset())
    for name in alone:
        outcomes[name] = {}
    for arch in archs if alone else ():
        network = _Networks(estimator, arch, ctx)
        for left, (name, (proxy, options)) in enumerate(alone.items(), 1 - len(alone)):
            outcomes[name][arch] = network.score(proxy, probe, options, is_last=left == 0)
    return _columns([[outcomes[member.name][arch] for member in members] for arch in archs])


def _turn(proxy: Proxy) -> tuple[bool, int]:
    """Return the position of a proxy on a shared network: activation meters first, proxies that spoil it last."""
    return proxy.spoils, {"activations": 0, "curvature": 2}.get(proxy.reads or "", 1)


def _score_paths(
    estimator: ZeroCost,
    proxies: Mapping[str, _Chosen],
    archs: Sequence[Architecture],
    probe: Probe,
    ctx: Context,
) -> dict[str, dict[Architecture, Outcome]]:
    """Return the scores by name of the proxies for which paths of a chain could share prefixes."""
    outcomes: dict[str, dict[Architecture, Outcome]] = {}
    if not proxies or not shares_prefixes(estimator, ctx.space, ctx.task):
        return outcomes
    chain = cast("Chain", laid_out(build_supernet(ctx.space, ctx.task, ctx.seed), ctx.device))
    if may_have_own_weights(chain):  # a path tells, and pieces do not
        return outcomes
    for name, (proxy, options) in proxies.items():
        own = copy.deepcopy(chain) if proxy.spoils else chain
        meter = cast("MeterFactory", proxy.meter)
        with drawing(derive_seed(ctx.seed, "noise", "forward"), ctx.device):
            of_paths = score_chain(meter(own, probe.limited(proxy.needs), **options), own, archs, ctx.device)
        if of_paths is not None:
            outcomes[name] = of_paths
    return outcomes


def network_of(estimator: ZeroCost, arch: Architecture, ctx: Context) -> nn.Module:
    """Return the network of an architecture, prepared for proxies."""
    seed = derive_seed(ctx.seed, "init", *arch) if estimator.init == "per_architecture" else ctx.seed
    as_built = estimator.init == "as_built"
    network = build_network(ctx.space, arch, ctx.task, seed, as_built=as_built, is_fresh=not as_built)
    return with_plain_weights(laid_out(network, ctx.device))


def shares_prefixes(estimator: ZeroCost, space: SearchSpace, task: Task) -> bool:
    """Whether networks with a common prefix have the same weights in it."""
    return estimator.init == "shared" and holds_chains(space, task)


def has_meter(proxy: str) -> bool:
    """Whether a proxy uses only forward passes, so that it can score a network piece by piece."""
    return PROXIES[proxy].meter is not None


def probe_of(estimator: ZeroCost, ctx: Context, count: int = 1) -> Probe:
    """Return the probe for proxies with these settings and that many batches."""
    batches = ctx.task.batches(
        "train", batch_size=estimator.batch_size, rng=generator(ctx.seed, "batch"), device=ctx.device
    )
    probe_batches = tuple((as_inputs(inputs), targets) for inputs, targets in islice(batches, count))
    return Probe(probe_batches, ctx.task.loss, ctx.task.num_outputs, ctx.seed, ctx.space.is_shareable)


class _Networks:
    """The networks of one architecture for all proxies in turn: one shared, or a new one for each proxy."""

    def __init__(self, estimator: ZeroCost, arch: Architecture, ctx: Context) -> None:
        self._make = partial(estimator.network, arch, ctx)
        self._ctx = ctx
        self._original: nn.Module | None = None  # shared, or copied
        self._spare: list[nn.Module] | None = None

    def score(self, proxy: Proxy, probe: Probe, options: Mapping[str, Any], *, is_last: bool = False) -> Outcome:
        """Return the outcome of a proxy; after the last proxy the network is released."""
        try:
            if proxy.spoils and self._original is not None:
                release_graphs(self._original, probe)  # nobody will read them
            network = self._next(proxy, is_last=is_last)
            with drawing(derive_seed(self._ctx.seed, "noise", "forward"), self._ctx.device):
                return Outcome(proxy(network, probe, **options))
        except Exception as error:
            if ends_the_run(error):  # a setting, or a proxy that says less than it needs: wrong for every network
                raise
            if isinstance(error, torch.OutOfMemoryError) and torch.cuda.is_available():
                torch.cuda.empty_cache()
            return Outcome.failed(reason_of(error))

    def _next(self, proxy: Proxy, *, is_last: bool) -> nn.Module:
        if self._ctx.space.is_shareable:
            if self._original is None:
                self._original = self._make()
            return copy.deepcopy(self._original) if proxy.spoils and not is_last else self._original
        if self._original is not None:
            return copy_network(self._original)
        if self._spare is None:
            first, second = self._make(), self._make()
            if not set(first.modules()).isdisjoint(second.modules()):
                self._original = first  # a factory that keeps modules: a proxy that got them would spoil all later ones
                return copy_network(first)
            self._spare = [second, first]
        return self._spare.pop() if self._spare else self._make()


def _columns(rows: Sequence[Sequence[Outcome]]) -> Scores:
    """Return the scores (n, k) of outcomes.

    Raises:
        PartialScoringError: some have no score.
    """
    scores = np.array([[outcome.score for outcome in row] for row in rows])
    reasons = {(i, k): o.reason for i, row in enumerate(rows) for k, o in enumerate(row) if o.reason is not None}
    if reasons:
        raise PartialScoringError(scores, reasons)
    return scores
