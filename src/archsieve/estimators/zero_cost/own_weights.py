"""Weights that a network multiplies by outside of layers: parameters of its own modules in a product or a convolution.

Proxies count the weights of convolutions and linear layers. A network may multiply by parameters without such a layer:
`F.conv2d(x, self.weight)`, `x @ self.weight`, or an output layer that uses the table of an embedding. A pass of two
items finds them, and marks them in the modules that hold them, so that copies of the network have the marks too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from archsieve.errors import ScoringError, ends_the_run
from archsieve.estimators.zero_cost.computed_weights import trial_of
from archsieve.estimators.zero_cost.watching import WEIGHTED, SettableGradients, plain_attention
from archsieve.networks.generators import drawing
from archsieve.networks.inputs import call, first_of, mapped, parts_of
from archsieve.registry import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from archsieve.networks.form import Given

_MARK, _MARKED = "_archsieve_own_weights", "_archsieve_is_marked"
_PRODUCTS = frozenset(
    {"matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "einsum", "addmm", "baddbmm", "addbmm", "tensordot"}
)
_WITH_BIAS = frozenset({"addmm", "baddbmm", "addbmm"})
_ATTENTION = "multi_head_attention_forward"
_TABLES = (nn.Embedding, nn.EmbeddingBag, nn.ParameterList, nn.ParameterDict)
_CONTAINERS = (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict)
_TORCHS = (
    *(nn.modules.conv._ConvNd, nn.Linear, nn.modules.batchnorm._NormBase),
    *(nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.MultiheadAttention),
)
_NAMES = frozenset({"weight", "bias", "in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"})
_FAR = 64  # operations between a parameter and the weight that is computed from it
_AS = ("_as", "to")  # operations that take from all tensors but the first only a type or a shape
_NEW = ("new_", "zeros_like", "ones_like", "empty_like", "full_like")  # ... and from the first, too
_LOOKED_UP = ("Embedding",)
_OF_DATA = (*_LOOKED_UP, "Mm", "Addmm", "Bmm", "Baddbmm", "Convolution", "ScaledDotProduct", "Mv")


class Use(NamedTuple):
    """How a network multiplies by a parameter of its own: last of all weights, in a matrix product without a name."""

    is_last: bool
    is_product: bool


def own_weights(module: nn.Module) -> Mapping[str, Use]:
    """Return the module's own parameters that `mark_own_weights` found."""
    marks: Mapping[str, Use] = vars(module).get(_MARK, {})
    return marks


def require_layers(network: nn.Module, who: str, *, or_functions: bool = False) -> None:
    """Check that the network multiplies by the weights of layers alone, or of the functions of layers.

    Raises:
        ScoringError: it does not.
    """
    weights = {
        f"{prefix}.{own}".lstrip("."): getattr(module, own)
        for prefix, module in network.named_modules()
        for own, use in own_weights(module).items()
        if use.is_product or not or_functions
    }
    if weights:
        is_any_frozen = not all(weight.requires_grad for weight in weights.values())
        constants = ", and constants into buffers (register_buffer)" if is_any_frozen else ""
        raise ScoringError(
            f"{who} reads layers, but this network multiplies by weights outside of them: {listed(list(weights))}. Put "
            f"them into linear layers or convolutions{constants}."
        )


def may_have_own_weights(network: nn.Module) -> bool:
    """Whether a network has parameters that may be multiplied by outside of layers."""
    return bool(_candidates(network))


def mark_own_weights(network: nn.Module, given: Given) -> None:
    """Mark the parameters that the network multiplies by outside of layers, if it may have some; once.

    The pass is made by a copy. If two items are refused, it takes all. If it fails, nothing is marked: whoever runs the
    network says why.

    Args:
        network: in the mode in which proxies use it.
        given: a batch of inputs.
    """
    if vars(network).get(_MARKED):
        return
    vars(network)[_MARKED] = True
    candidates = _candidates(network)
    if not candidates:
        return
    uses = _uses_in_pass(network, candidates, first_of(given, 2)) or _uses_in_pass(network, candidates, given)
    if uses is None:
        return
    for name in uses.found:
        owner, _, own = name.rpartition(".")
        module = network.get_submodule(owner)
        vars(module)[_MARK] = {**own_weights(module), own: Use(name == uses.last, uses.found[name])}


def _uses_in_pass(network: nn.Module, candidates: set[str], given: Given) -> _Uses | None:
    """Return what a pass multiplies by; None if it fails."""
    trial = trial_of(network)
    uses = _Uses(trial, {id(p): name for name, p in trial.named_parameters() if name in candidates})
    given, device = mapped(given, torch.clone), str(parts_of(given)[0].device)
    try:
        with drawing(0, device), torch.enable_grad(), plain_attention(), SettableGradients(), uses:
            inputs = mapped(given, _differentiable)
            uses.see_inputs(parts_of(inputs))
            call(trial, inputs)
    except Exception as error:
        if ends_the_run(error):
            raise
        return None
    return uses


def _candidates(network: nn.Module) -> set[str]:
    """Return the names of the parameters that no layer of torch uses by itself."""
    names: dict[str, int] = {}
    taken: set[int] = set()
    for prefix, module in network.named_modules():
        is_holder = isinstance(module, _TABLES) or type(module) in _CONTAINERS
        is_torchs = type(module).__module__.startswith("torch.nn.") and not is_holder
        for own, parameter in module.named_parameters(recurse=False):
            if is_torchs or (own in _NAMES and isinstance(module, _TORCHS)):
                taken.add(id(parameter))
            elif parameter.is_floating_point() and parameter.dim() > 0:
                names[f"{prefix}.{own}" if prefix else own] = id(parameter)
    return {name for name, parameter in names.items() if parameter not in taken}


def _differentiable(tensor: Tensor) -> Tensor:
    """Return an input of which the network may write a copy, and whose gradient tells what is computed from it."""
    return tensor.requires_grad_().clone() if tensor.is_floating_point() else tensor


class _Uses(TorchFunctionMode):
    """Observes by which parameters something is multiplied.

    Attributes:
        found: names of the candidates among them, and whether one is used in a matrix product.
        last: name of the last one, None if that is no candidate.
    """

    def __init__(self, network: nn.Module, names: Mapping[int, str]) -> None:
        super().__init__()
        self._names = names  # of the candidates, by identity
        self._parameters = {id(p) for p in network.parameters()}
        self._by_place = {p.untyped_storage().data_ptr(): id(p) for p in network.parameters() if p.numel()}
        self._of_inputs = WeakTensorKeyDictionary()  # whose values depend on the inputs
        self.found: dict[str, bool] = {}
        self.last: str | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        name = name if name.endswith("__") else name.rstrip("_")
        for operand in _operands(name, args, kwargs):
            source = self._source(operand, _OF_DATA if name in _PRODUCTS else _LOOKED_UP)
            if source is not None:
                self.last = self._names.get(source)
                if self.last is not None:
                    self.found[self.last] = self.found.get(self.last, False) or name in _PRODUCTS
        output = func(*args, **kwargs)
        sources = () if name.startswith(_NEW) else args[:1] if name.endswith(_AS) else (*args, *kwargs.values())
        if any(tensor in self._of_inputs for tensor in _tensors(sources)):
            self.see_inputs(_tensors([output]))
        return output

    def see_inputs(self, tensors: Iterable[Tensor]) -> None:
        """Remember that the values of tensors depend on the inputs, also where no gradient tells."""
        for tensor in tensors:
            self._of_inputs[tensor] = True

    def _source(self, tensor: Tensor, of_data: tuple[str, ...]) -> int | None:
        """Return the parameter that a tensor is, or the largest that it is computed from; None if data take part."""
        if (known := self._by_place.get(tensor.untyped_storage().data_ptr())) is not None:
            return known
        if tensor in self._of_inputs:
            return None
        sizes: dict[int, int] = {}
        waiting, seen = [tensor.grad_fn], 0
        while waiting:
            node, seen = waiting.pop(), seen + 1
            if node is None:
                continue
            if seen > _FAR or type(node).__name__.startswith(of_data):
                return None
            if (leaf := getattr(node, "variable", None)) is not None:
                if id(leaf) not in self._parameters:
                    return None
                sizes[id(leaf)] = leaf.numel()
            waiting += [following for following, _ in node.next_functions]
        return max(sizes, key=lambda each: sizes[each], default=None)


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Return the tensors among values, and in lists and tuples of them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _operands(operation: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterable[Tensor]:
    """Return the tensors of an operation that may be its weights."""
    if operation in _PRODUCTS:
        whole = [*args[operation in _WITH_BIAS :], *(value for key, value in kwargs.items() if key != "input")]
    elif operation in WEIGHTED:
        whole = [*args[2 if operation == "bilinear" else 1 :][:1], kwargs.get("weight")]
    elif operation == _ATTENTION:
        whole = [*args[5:6], *args[11:12], *(value for key, value in kwargs.items() if key.endswith("proj_weight"))]
    else:
        return ()
    return [tensor for tensor in _tensors(whole) if tensor.layout is torch.strided]
