"""Zero-cost proxies as an estimator: a fresh network an architecture, one probe for all."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from archsieve.errors import PartialScoringError, ScoringError, SettingError
from archsieve.estimators.proxy import Probe, Proxy
from archsieve.networks import build_network
from archsieve.randomness import derive_seed, generator
from archsieve.registry import PROXIES

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from archsieve.estimator import Context, Scores
    from archsieve.space import Architecture


@dataclass(frozen=True)
class ZeroCost:
    """Scores untrained networks by a proxy; proxies with equal settings share networks and data.

    The network is in training mode: batch normalisation uses the batch's statistics. The batch is the same for every
    architecture, shuffled by the run's seed, never augmented.

    Args:
        proxy: name of the proxy.
        batch_size: items in the batch; a task with fewer gives what it has.
        init: "shared" draws weights by seed, position and option, so that networks share what they have in common;
            "per_architecture" draws them anew for each code.
    """

    proxy: str
    batch_size: int = 64
    init: Literal["shared", "per_architecture"] = "shared"

    def __post_init__(self) -> None:
        """Check the settings, and that the proxy exists."""
        PROXIES[self.proxy]
        if self.batch_size < 1:
            raise SettingError(f"`batch_size >= 1` must hold, but got batch_size={self.batch_size}.")
        if self.init not in ("shared", "per_architecture"):
            raise SettingError(f"`init` must be 'shared' or 'per_architecture', but got {self.init!r}.")

    @property
    def name(self) -> str:
        """The proxy's name."""
        return self.proxy

    @property
    def version(self) -> int:
        """The proxy's version."""
        return int(PROXIES[self.proxy].version)

    @property
    def group(self) -> Hashable:
        """Every setting but the proxy."""
        return tuple(getattr(self, f.name) for f in fields(self) if f.name != "proxy")

    @property
    def needs(self) -> tuple[str, ...]:
        """What the proxy needs of the task: "data", "labels"."""
        return tuple(PROXIES[self.proxy].needs)

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the proxy's scores, shape (n,)."""
        return self.score_group([self], archs, ctx)[:, 0]

    def score_group(self, members: Sequence[Any], archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the scores of all members, shape (n, k): one network an architecture, a copy of it a proxy."""
        probe = self._probe(ctx)
        proxies: list[Proxy] = [PROXIES[member.proxy] for member in members]
        scores = np.full((len(archs), len(members)), np.nan)
        reasons: dict[tuple[int, int], str] = {}
        for row, arch in enumerate(archs):
            seed = ctx.seed if self.init == "shared" else derive_seed(ctx.seed, "init", *arch)
            network = build_network(ctx.space, arch, ctx.task, seed).to(ctx.device)
            for column, member in enumerate(proxies):
                try:
                    scores[row, column] = member(copy.deepcopy(network), probe)
                except ScoringError as error:
                    reasons[row, column] = str(error)
        if reasons:
            raise PartialScoringError(scores, reasons)
        return scores

    def _probe(self, ctx: Context) -> Probe:
        batches = ctx.task.batches(
            "train", batch_size=self.batch_size, rng=generator(ctx.seed, "batch"), device=ctx.device
        )
        return Probe((next(iter(batches)),), ctx.task.loss, ctx.task.num_outputs, ctx.seed)
