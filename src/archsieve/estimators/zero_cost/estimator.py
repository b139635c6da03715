"""Zero-cost proxies as estimators: a new network for each architecture, and one probe for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from archsieve.errors import SettingError, require
from archsieve.estimators.contract import Price
from archsieve.estimators.zero_cost.declared import declared
from archsieve.fingerprints import frozen
from archsieve.tasks.contract import count_items
from archsieve.values import check_whole, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from torch import nn

    from archsieve.estimators.contract import Context, Scores
    from archsieve.estimators.zero_cost.proxy import Probe
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

_PREPARATION = 1  # raised whenever networks are prepared in another way for all proxies


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
        """Check the settings, the proxy and its options."""
        if not isinstance(self.proxy, str):
            raise wrong_kind("`proxy`", "the name of a proxy", self.proxy, "write archsieve.ZeroCost('nwot')")
        if not isinstance(self.options, Mapping | tuple | list):
            raise wrong_kind("`options`", "a mapping", self.options, "write options={'activations': 'relu'}")
        # An option equal to its default is the same setting; a mapping, as plan files have it, cannot be hashed.
        object.__setattr__(self, "options", declared(self.proxy).chosen(frozen(dict(self.options))))
        check_whole("batch_size", self.batch_size, 1)
        if self.init not in ("shared", "per_architecture", "as_built"):
            raise SettingError(f"`init` must be 'shared', 'per_architecture' or 'as_built', but got {self.init!r}.")

    @property
    def name(self) -> str:
        """The proxy's name, with the options that differ from the defaults."""
        chosen = ", ".join(f"{name}={value}" for name, value in self.options)
        return f"{self.proxy}[{chosen}]" if chosen else self.proxy

    @property
    def version(self) -> int:
        """The version of the proxy plus the version of the shared preparation of networks and data."""
        return declared(self.proxy).version + _PREPARATION

    def chunk_size(self, space: SearchSpace, task: Task) -> int:
        """Return how many codes to score at a time: more where they share prefixes."""
        require("torch", "torch")
        from archsieve.estimators.zero_cost.scoring import has_meter, shares_prefixes

        return 256 if has_meter(self.proxy) and shares_prefixes(self, space, task) else 32

    @property
    def group(self) -> Hashable:
        """Every setting but the proxy and its options."""
        return tuple(getattr(self, f.name) for f in fields(self) if f.name not in ("proxy", "options"))

    @property
    def needs(self) -> tuple[str, ...]:
        """What the proxy needs: "data", "labels", "gradients"."""
        return tuple(declared(self.proxy).needs)

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return the cost of the proxy's passes in network-epochs: three forward passes of every item are one epoch."""
        items = count_items(task, "train")
        passes = declared(self.proxy).forward_passes(self.batch_size, items, **dict(self.options))
        return Price(0.0, n * passes / (3 * items))

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the proxy's scores, shape (n,)."""
        return self.score_group([self], archs, ctx)[:, 0]

    def score_group(self, members: Sequence[Any], archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the scores of all members, shape (n, k); see `archsieve.estimators.zero_cost.scoring`.

        Raises:
            PartialScoringError: some could not be scored; says which, and gives the scores of the rest.
            MissingPackageError: torch is not installed.
        """
        require("torch", "torch")
        from archsieve.estimators.zero_cost.scoring import score_group

        return score_group(self, members, archs, ctx)

    def network(self, arch: Architecture, ctx: Context) -> nn.Module:
        """Return the network of an architecture, prepared for proxies."""
        from archsieve.estimators.zero_cost.scoring import network_of

        return network_of(self, arch, ctx)

    def _probe(self, ctx: Context, count: int = 1) -> Probe:
        from archsieve.estimators.zero_cost.scoring import probe_of

        return probe_of(self, ctx, count)
