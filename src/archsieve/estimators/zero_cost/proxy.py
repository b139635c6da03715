"""The zero-cost proxy: a function of a network and a probe, with declared properties."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast, overload
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from archsieve.errors import EstimatorError, ScoringError, SettingError
from archsieve.estimators.zero_cost.as_written import as_written
from archsieve.estimators.zero_cost.computed_weights import copy_network, has_computed_weights, with_plain_weights
from archsieve.estimators.zero_cost.declared import Declared, Need
from archsieve.estimators.zero_cost.own_weights import mark_own_weights
from archsieve.networks.building import torch_generator
from archsieve.networks.generators import drawing
from archsieve.networks.inputs import mapped, parts_of
from archsieve.randomness import derive_seed
from archsieve.registry import PROXIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from archsieve.estimators.zero_cost.meter import Meter
    from archsieve.networks.form import Given
    from archsieve.randomness import Purpose

T = TypeVar("T")
Readings: TypeAlias = Literal["activations", "losses", "jacobian", "curvature"]
ProxyFunction: TypeAlias = "Callable[..., float]"
MeterFactory: TypeAlias = "Callable[..., Meter[Any]]"


@dataclass(frozen=True)
class Probe:
    """The data that a proxy may use besides the network, equal for every architecture.

    It hands out copies, so that a network or a proxy that writes to them does not affect the others.

    Args:
        batches: (inputs, targets) on the network's device, un-augmented; targets may be None where there are no labels.
            Inputs are a tensor, or where the network takes several a tuple of tensors or a dictionary by name: see
            `archsieve.networks.inputs.call`.
        loss: the task's loss.
        num_outputs: outputs of the network.
        seed: the run's seed.
        is_shareable: whether the network is known to leave what it gets as it is (see
            `archsieve.spaces.contract.SearchSpace`): then what hooks see is not copied.
        shared: what the proxies asked for read of one forward pass, where they share it (see `Proxy.reads`); its graph
            is then kept until `release`. Empty: they do not.
    """

    batches: tuple[tuple[Given, Tensor | None], ...]
    loss: Callable[[Tensor, Tensor], Tensor]
    num_outputs: int
    seed: int = 0
    is_shareable: bool = False
    shared: frozenset[str] = frozenset()
    _needs: tuple[Need, ...] = field(default=("data", "labels", "gradients"), repr=False)
    _known: WeakKeyDictionary[nn.Module, dict[str, Any]] = field(default_factory=WeakKeyDictionary, repr=False)

    def once(self, network: nn.Module, what: str, compute: Callable[[], T]) -> T:
        """Return the result of `compute` for this network, computed once for all proxies."""
        values = self._known.setdefault(network, {})
        if what not in values:
            with drawing(derive_seed(self.seed, "noise", "forward"), self.device):
                values[what] = compute()
        return cast("T", values[what])

    def knows(self, network: nn.Module, what: str) -> bool:
        """Whether a result is cached for the network."""
        return what in self._known.get(network, {})

    def release(self, network: nn.Module, what: str) -> None:
        """Clear the cached results of the network."""
        self._known.get(network, {}).pop(what, None)

    @property
    def inputs(self) -> Given:
        """Inputs of the first batch, shape (n, ...) each."""
        self._check("data")
        return mapped(self.batches[0][0], Tensor.clone)

    @property
    def targets(self) -> Tensor:
        """Targets of the first batch.

        Raises:
            ScoringError: the task has none.
        """
        return self.batch(0)[1]

    def batch(self, index: int) -> tuple[Given, Tensor]:
        """Return inputs and targets of a batch.

        Raises:
            ScoringError: there are not so many batches, or no labels.
        """
        self._check("data")
        self._check("labels")
        if index >= len(self.batches):
            raise ScoringError(
                f"{index + 1} batches are needed, but the task gives {len(self.batches)}: choose a smaller batch_size."
            )
        inputs, targets = self.batches[index]
        if targets is None:
            raise ScoringError("Labels are needed, but the task has none.")
        return mapped(inputs, Tensor.clone), targets.clone()

    def apart(self, tensor: Tensor) -> Tensor:
        """Return a copy that the network may overwrite, or the tensor itself if the space is shareable."""
        return tensor if self.is_shareable else tensor.clone()

    @property
    def device(self) -> str:
        """The device of the network and the batches."""
        return str(parts_of(self.batches[0][0])[0].device)

    def blank(self) -> Tensor:
        """Return zeros with the shape, type, layout and device of the first batch's inputs; needs no data.

        Raises:
            ScoringError: they are no real numbers (indices of words, say), or several tensors, so that nothing else
                stands for them: see `archsieve.estimators.zero_cost.embeddings`.
        """
        inputs = self.batches[0][0]
        if not isinstance(inputs, Tensor):
            raise ScoringError("The network takes several inputs: one tensor of noise or ones cannot replace them.")
        if not inputs.is_floating_point():
            raise ScoringError("The inputs are not real numbers: noise or ones cannot replace them.")
        return torch.zeros_like(inputs)

    def noise(self, name: str) -> Tensor:
        """Return standard normal noise in the shape of the first batch's inputs, by seed and name; needs no data."""
        form = self.blank()
        return form.copy_(torch.randn(form.shape, dtype=torch.float32, generator=self.generator("noise", name)))

    def generator(self, purpose: Purpose, *path: str | int) -> torch.Generator:
        """Return a CPU generator for a purpose and place."""
        return torch_generator(self.seed, purpose, *path)

    def limited(self, needs: tuple[Need, ...]) -> Probe:
        """Return the probe restricted to the declared needs; other data are withheld."""
        return replace(self, _needs=needs)

    def _check(self, need: Need) -> None:
        if need not in self._needs:
            raise EstimatorError(
                f"This proxy uses the {need} without declaring it: write @proxy(needs=({need!r}, ...))."
            )


@dataclass(frozen=True)
class Proxy:
    """A published proxy with its properties; higher is better, and a score does not depend on other networks.

    Attributes:
        function: takes network, probe and options (keyword-only, with defaults), returns the score.
        needs: what it uses besides the network: "data", "labels", "gradients". It gets nothing else.
        version: raised whenever its scores change.
        meter: scores a network piece by piece where the proxy only looks at forward passes (see
            `archsieve.estimators.zero_cost.meter`); it must give what the function gives.
        spoils: False where the function leaves the network as it was, running statistics apart.
        batches: how many it looks at.
        passes: its cost for each item, in forward passes; a backward pass counts two, and one by the inputs alone
            counts one. None: 3 with gradients, 1 without, 0 where `mode` is "none".
        items: how many items it looks at, or the option that says how many; None: all of its batches.
        init: the weights it looks at: "given", or what it redraws or changes them to.
        mode: "training", where batch normalisation goes by the batch it sees, or what the proxy makes of it.
        reads: what it reads of a forward pass of the first batch: "activations", "losses", "jacobian" or "curvature".
            Proxies that read different things share the pass, where networks may be shared.
        source: the paper.
    """

    function: ProxyFunction
    needs: tuple[Need, ...] = ()
    version: int = 1
    meter: MeterFactory | None = None
    spoils: bool = True
    batches: int = 1
    passes: float | None = None
    items: int | str | None = None
    init: str = "given"
    mode: str = "training"
    reads: Readings | None = None
    source: str = ""

    def __call__(self, network: nn.Module, probe: Probe, **options: Any) -> float:
        """Return the score, higher is better; if `spoils` is set, the network is unusable afterwards.

        Weights that the network computes anew in each pass are made plain ones first (see
        `archsieve.estimators.zero_cost.computed_weights`), and weights outside of layers are marked. The
        network runs as it is written, without checkpoints and compiled functions.
        """
        if self._misses_parts(network):
            raise ScoringError(
                "The network has parts that were compiled by torch.jit: the layers and activations inside them cannot "
                "be seen. Score the network before it is compiled."
            )
        if has_computed_weights(network):
            network = with_plain_weights(network if self.spoils else copy_network(network))
        with as_written():
            mark_own_weights(network, probe.batches[0][0])
            with torch.set_grad_enabled("gradients" in self.needs):
                return float(self.function(network, probe.limited(self.needs), **options))

    def _misses_parts(self, network: nn.Module) -> bool:
        """Whether parts of the network that were compiled by torch.jit hide what the proxy reads."""
        compiled = [module for module in network.modules() if isinstance(module, torch.jit.ScriptModule)]
        if self.mode == "none" or self.reads in ("losses", "curvature"):  # it reads weights, and no activations
            return any(True for module in compiled for _ in module.parameters())
        return bool(compiled) and self.reads != "jacobian"

    @property
    def declared(self) -> Declared:
        """The declared properties as plain values."""
        parameters = inspect.signature(self.function).parameters.values()
        options = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        return Declared(
            self.function.__name__,
            options,
            needs=self.needs,
            version=self.version,
            batches=self.batches,
            passes=self.passes,
            items=self.items,
            mode=self.mode,
        )

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of the function with their defaults."""
        return self.declared.options

    def forward_passes(self, batch_size: int, available: int, **options: Any) -> float:
        """Return the cost of one score, in forward passes of one item; see `Declared.forward_passes`."""
        return self.declared.forward_passes(batch_size, available, **options)


@overload
def proxy(function: ProxyFunction, /) -> ProxyFunction: ...
@overload
def proxy(
    *,
    needs: tuple[Need, ...] = ...,
    version: int = ...,
    meter: MeterFactory | None = ...,
    spoils: bool = ...,
    batches: int = ...,
    passes: float | None = ...,
    items: int | str | None = ...,
    init: str = ...,
    mode: str = ...,
    reads: Readings = ...,
    source: str = ...,
) -> Callable[[ProxyFunction], ProxyFunction]: ...


def proxy(
    function: ProxyFunction | None = None, /, **declared: Any
) -> ProxyFunction | Callable[[ProxyFunction], ProxyFunction]:
    """Register a function as a proxy under its own name; the keywords are the fields of `Proxy`.

    The network it gets is in training mode and may be spoilt; higher must be better. It raises `ScoringError` for a
    network it cannot score.
    """

    def decorate(function: ProxyFunction) -> ProxyFunction:
        if not callable(function) or not hasattr(function, "__name__"):
            given = f"the text {function!r:.100}" if isinstance(function, str) else f"{function!r:.100}"
            raise SettingError(f"`proxy` decorates a function, but got {given}: write @proxy above `def`.")
        PROXIES.add(function.__name__, Proxy(function, **declared))
        return function

    return decorate if function is None else decorate(function)
