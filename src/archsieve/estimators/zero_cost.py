"""Zero-cost proxies as an estimator: a fresh network an architecture, one probe for all."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, fields
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from torch import nn

from archsieve.errors import PartialScoringError, ScoringError, SettingError
from archsieve.estimator import Price
from archsieve.estimators.meter import score_chain
from archsieve.estimators.prefixes import holds_chains
from archsieve.estimators.proxy import Probe
from archsieve.networks import build_network, build_supernet, channels_last, drawing, laid_out
from archsieve.randomness import derive_seed, generator
from archsieve.registry import PROXIES
from archsieve.task import count_items

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from archsieve.estimator import Context, Scores
    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task


@dataclass(frozen=True)
class ZeroCost:
    """Scores untrained networks by a proxy; proxies with equal settings share networks and data.

    The network is in training mode: batch normalisation uses the batch's statistics. The batch is the same for every
    architecture, shuffled by the run's seed, never augmented.

    Args:
        proxy: name of the proxy.
        batch_size: items in the batch; a task with fewer gives what it has.
        init: "shared" draws weights by seed, position and option, so that networks share what they have in common;
            "per_architecture" draws them anew for each code; "as_built" leaves them as the space's own code draws them.
        options: those of the proxy, a mapping by name, e.g. {"activations": "relu"} for nwot.
    """

    proxy: str
    batch_size: int = 64
    init: Literal["shared", "per_architecture", "as_built"] = "shared"
    options: tuple[tuple[str, Any], ...] = field(default=(), metadata={"pairs": True})

    def __post_init__(self) -> None:
        """Check the settings, and that the proxy exists and has the options."""
        # A default said aloud is no other setting; a mapping, as plan files have it, cannot be hashed.
        object.__setattr__(self, "options", PROXIES[self.proxy].chosen(dict(self.options)))
        if self.batch_size < 1:
            raise SettingError(f"`batch_size >= 1` must hold, but got batch_size={self.batch_size}.")
        if self.init not in ("shared", "per_architecture", "as_built"):
            raise SettingError(f"`init` must be 'shared', 'per_architecture' or 'as_built', but got {self.init!r}.")

    @property
    def name(self) -> str:
        """The proxy's name, with the options that are not its defaults."""
        chosen = ", ".join(f"{name}={value}" for name, value in self.options)
        return f"{self.proxy}[{chosen}]" if chosen else self.proxy

    @property
    def version(self) -> int:
        """The proxy's version."""
        return int(PROXIES[self.proxy].version)

    def chunk_size(self, space: SearchSpace, task: Task) -> int:
        """Return more codes where they share prefixes."""
        return 256 if PROXIES[self.proxy].meter is not None and self._shares(space, task) else 32

    @property
    def group(self) -> Hashable:
        """Every setting but the proxy and its options."""
        return tuple(getattr(self, f.name) for f in fields(self) if f.name not in ("proxy", "options"))

    @property
    def needs(self) -> tuple[str, ...]:
        """What the proxy needs: "data", "labels", "gradients"."""
        return tuple(PROXIES[self.proxy].needs)

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return the share of an epoch that the batch is: a third without gradients, nothing where nothing is run."""
        proxy = PROXIES[self.proxy]
        passes = 0.0 if proxy.mode == "none" else 1.0 if "gradients" in proxy.needs else 1 / 3
        return Price(0.0, n * passes * proxy.batches * self.batch_size / count_items(task, "train"))

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the proxy's scores, shape (n,)."""
        return self.score_group([self], archs, ctx)[:, 0]

    def score_group(self, members: Sequence[Any], archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the scores of all members, shape (n, k).

        One network an architecture serves all proxies; in a space whose networks are chains, those that only look at
        forward passes walk the tree of common prefixes instead.
        """
        proxies = {member.name: (PROXIES[member.proxy], dict(member.options)) for member in members}
        probe = self._probe(ctx, max(proxy.batches for proxy, _ in proxies.values()))
        chain = self._chain(ctx) if any(proxy.meter for proxy, _ in proxies.values()) else None
        found: dict[str, dict[Architecture, float | str]] = {name: {} for name in proxies}
        whole = {}
        for name, (proxy, options) in proxies.items():
            if chain is not None and proxy.meter is not None:
                own = copy.deepcopy(chain) if proxy.spoils else chain
                found[name] = score_chain(proxy.meter(own, probe.limited(proxy.needs), **options), own, archs)
            else:
                whole[name] = proxy, options
        for arch in archs if whole else ():
            network = self._network(arch, ctx)
            for name, (proxy, options) in whole.items():
                try:
                    with drawing(derive_seed(ctx.seed, "noise", "forward"), ctx.device):
                        found[name][arch] = proxy(copy.deepcopy(network) if proxy.spoils else network, probe, **options)
                except ScoringError as error:
                    found[name][arch] = str(error)
        return _columns([[found[member.name][arch] for member in members] for arch in archs])

    def _network(self, arch: Architecture, ctx: Context) -> nn.Module:
        seed = derive_seed(ctx.seed, "init", *arch) if self.init == "per_architecture" else ctx.seed
        network = build_network(ctx.space, arch, ctx.task, seed, as_built=self.init == "as_built")
        return laid_out(network, ctx.device)

    def _chain(self, ctx: Context) -> nn.Module | None:
        """Return the network of all paths, with the weights each has alone; None where the space is no chain."""
        if not self._shares(ctx.space, ctx.task):
            return None
        supernet = build_supernet(ctx.space, ctx.task, ctx.seed)
        # Dropout draws in the order of evaluation, which a tree changes.
        draws = any(isinstance(m, nn.modules.dropout._DropoutNd) for m in supernet.modules())
        return None if draws else laid_out(supernet, ctx.device)

    def _shares(self, space: SearchSpace, task: Task) -> bool:
        """Whether networks have the weights of common prefixes in common."""
        return self.init == "shared" and holds_chains(space, task)

    def _probe(self, ctx: Context, count: int = 1) -> Probe:
        batches = ctx.task.batches(
            "train", batch_size=self.batch_size, rng=generator(ctx.seed, "batch"), device=ctx.device
        )
        drawn = tuple((channels_last(inputs), targets) for inputs, targets in islice(batches, count))
        return Probe(drawn, ctx.task.loss, ctx.task.num_outputs, ctx.seed)


def _columns(rows: Sequence[Sequence[float | str]]) -> Scores:
    """Return the scores (n, k); a text says why there is none.

    Raises:
        PartialScoringError: there is a text.
    """
    scores = np.array([[np.nan if isinstance(value, str) else value for value in row] for row in rows])
    reasons = {(i, k): value for i, row in enumerate(rows) for k, value in enumerate(row) if isinstance(value, str)}
    if reasons:
        raise PartialScoringError(scores, reasons)
    return scores
