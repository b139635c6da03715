"""One user network as a space with one architecture, so that all estimators can score it."""

from __future__ import annotations

import importlib
import inspect
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from archsieve.errors import ArchsieveError, ScoringError, SettingError, ShapeError, UnknownNameError
from archsieve.networks.form import inputs_of
from archsieve.registry import near_miss
from archsieve.spaces.contract import SearchSpace

if TYPE_CHECKING:
    from torch import Tensor, nn

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

ONLY = (0,)


@dataclass(frozen=True)
class OwnModel(SearchSpace):
    """The space of the network that a function without arguments returns; its only architecture is (0,).

    It is scored in float32, whatever precision its weights have. Lazy modules get their weights by a pass of zeros.

    Args:
        factory: "module:function". The module is imported: name only code you trust.
        output: which output is meant where the network returns several: a name, or a place such as "0". None: `logits`,
            else the only tensor.
    """

    name: ClassVar[str] = "own-model"  # type: ignore[misc]

    factory: str
    output: str | None = field(default=None, metadata={"added": True})

    def identity(self) -> dict[str, Any]:
        """Return the identity; the key `output` exists only if an output is named."""
        entries = super().identity()
        if self.output is None:
            del entries["output"]
        return entries

    @property
    def choices(self) -> tuple[int, ...]:
        """One decision with one option."""
        return (1,)

    def describe(self, arch: Architecture) -> str:
        """Return the factory's name."""
        return self.factory

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return a new network.

        Raises:
            UnknownNameError: the module has no such function.
            SettingError: it cannot be called without arguments, or returns no network.
            TypeError: raised inside the function, which may also raise any other error.
        """
        import torch

        from archsieve.networks.building import Around, with_all_weights

        network = self.made()
        if precision_of(network):
            network = network.float()
        network = with_all_weights(network, task)
        if isinstance(network, torch.jit.ScriptModule):  # which takes no hook
            network = Around(network)
        network.register_forward_hook(_Chosen(self.factory, self.output))
        return network

    def made(self) -> nn.Module:
        """Return the function's result unchanged; raises as `build`."""
        from torch import nn

        network = result_of(self.factory)
        if not isinstance(network, nn.Module):
            raise SettingError(f"{self.factory} must return a torch.nn.Module, but returned {type(network).__name__}.")
        return network


def result_of(factory: str) -> Any:
    """Return the result of the function "module:function".

    Raises:
        UnknownNameError: the module has no such function.
        SettingError: it cannot be called without arguments.
        TypeError: raised inside the function, which may also raise any other error.
    """
    module, _, attribute = factory.partition(":")
    attributes = vars(importlib.import_module(module))
    if attribute not in attributes:
        raise UnknownNameError(f"The module {module!r} has no {attribute!r}.{near_miss(attribute, attributes)}")
    try:
        return attributes[attribute]()
    except TypeError as error:
        # The first frame is this one: from further inside, the call itself went well.
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
            raise
        raise SettingError(f"{factory} must be callable without arguments, but: {error}.") from error


def precision_of(network: nn.Module) -> str:
    """Return the precisions of a network's real weights if one is not float32, e.g. "bfloat16"; else empty."""
    import torch

    kinds = {p.dtype for p in network.parameters() if p.is_floating_point()} - {torch.float32}
    return " and ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))


@dataclass(frozen=True)
class _Chosen:
    """A hook that replaces the network's outputs by the selected one."""

    factory: str
    output: str | None

    def __call__(self, module: nn.Module, arguments: object, outputs: object) -> Tensor:
        """Return the selected output.

        Raises:
            ScoringError: it is not clear which one is meant, or there is none of the name.
        """
        from torch import Tensor

        if isinstance(outputs, Tensor):
            return outputs
        outer = _by_name(outputs)
        tensors = _flat(outer)
        if not tensors:
            raise ScoringError(f"{self.factory} returns no tensor, but {type(outputs).__name__}.")
        if self.output is not None:
            if self.output not in tensors:
                raise ScoringError(f"{self.factory} has no output {self.output!r}: it has {', '.join(tensors)}.")
            return tensors[self.output]
        if "logits" in tensors:
            return tensors["logits"]
        own = [name for name, value in outer.items() if isinstance(value, Tensor) and not name.startswith("aux")]
        meant = {name: tensors[name] for name in own if name in tensors} or tensors
        if len(meant) > 1:
            raise ScoringError(
                f"{self.factory} returns several tensors: {', '.join(tensors)}. Choose one: --output NAME, "
                f"e.g. --output {next(iter(meant))} (OwnModel(..., output=NAME) in Python)."
            )
        return next(iter(meant.values()))


def _by_name(outputs: object) -> dict[str, object]:
    """Return the entries of a dictionary, dataclass, tuple or list, by name or position."""
    from archsieve.networks.outputs import named_outputs

    by_name = named_outputs(outputs)
    if by_name is None and isinstance(outputs, list | tuple):
        by_name = dict(zip(getattr(outputs, "_fields", map(str, range(len(outputs)))), outputs, strict=True))
    return by_name or {}


def _flat(outer: dict[str, object], before: str = "") -> dict[str, Tensor]:
    """Return all tensors except scalars by name; nested ones are named "outer.inner"."""
    from torch import Tensor

    tensors: dict[str, Tensor] = {}
    for name, value in outer.items():
        if isinstance(value, Tensor):
            tensors |= {f"{before}{name}": value} if value.dim() else {}
        else:
            tensors |= _flat(_by_name(value), f"{before}{name}.")
    return tensors


class Fit(NamedTuple):
    """The result of a forward pass of two items through the user's network.

    Attributes:
        outputs: shape of the outputs of an item.
        precision: of its weights, where it is not float32.
    """

    outputs: tuple[int, ...]
    precision: str


def fit_of(space: OwnModel, task: Task) -> Fit:
    """Return the result of one forward pass of two items: zeros, last tokens, or the task's own example.

    Raises:
        SettingError: the network does not take the task's inputs; says what it takes.
        ScoringError: it is not clear which output is meant.
    """
    import torch

    from archsieve.networks.inputs import example_of, made_from, parts_of
    from archsieve.networks.outputs import outputs_of

    original = space.made()
    precision = precision_of(original)
    try:
        network = space.build(ONLY, task).eval()
        with torch.no_grad():
            inputs = made_from(example_of(task), 2, "cpu")
            if not hasattr(task, "example"):
                for each, tensor in zip(inputs_of(task), parts_of(inputs), strict=True):
                    tensor[1] = (each.tokens or 1) - 1  # the last token, which an embedding may not have
            outputs = outputs_of(network, inputs)
    except ArchsieveError as error:
        if not isinstance(error, ShapeError):
            raise
        raise _refused(space, original, task, str(error).rpartition(". ")[0], error.__cause__ or error) from error
    except Exception as error:  # of any kind, by what code does with inputs that it does not expect
        reason = " ".join(f"{error}".split()).rstrip(".") or type(error).__name__
        raise _refused(space, original, task, reason, error) from error
    return Fit(tuple(outputs.shape[1:]), precision)


def _refused(space: OwnModel, network: nn.Module, task: Task, reason: str, error: BaseException) -> SettingError:
    """Return the error for a network that rejects the task's inputs: the reason, and what to do."""
    forms = " and ".join(map(str, inputs_of(task)))
    shape = tuple(task.input_shape) if len(inputs_of(task)) == 1 and inputs_of(task)[0].tokens is None else forms
    advice = _advice(network, task, error)
    return SettingError(f"{space.factory} does not take inputs of shape {shape}: {reason}. {advice}")


def check_fit(space: OwnModel, task: Task) -> Fit:
    """Return `fit_of`, after checking that the network has the task's outputs.

    Raises:
        SettingError: it does not, or does not take the task's inputs.
        ScoringError: it is not clear which output is meant.
    """
    fit = fit_of(space, task)
    check_outputs(space, task, fit)
    return fit


def check_outputs(space: OwnModel, task: Task, fit: Fit) -> None:
    """Check that the outputs in `fit_of`'s result have the shape that the task needs.

    Raises:
        SettingError: they are not.
    """
    loss = getattr(task, "loss_name", "cross_entropy")
    if loss == "cross_entropy" and (not fit.outputs or fit.outputs[0] < task.num_outputs):
        raise SettingError(
            f"{space.factory} gives outputs of shape {fit.outputs}, but the task has {task.num_outputs} classes: set "
            f"the number (--outputs; 1 for a regression, or for a binary classifier with --loss bce)."
        )
    if loss != "cross_entropy" and math.prod(fit.outputs) != task.num_outputs:
        raise SettingError(
            f"{space.factory} gives outputs of shape {fit.outputs}, but the task has {task.num_outputs} numbers "
            f"for each item: set the number (--outputs)."
        )


def _advice(network: nn.Module, task: Task, error: BaseException) -> str:
    """Return advice for a network that rejects the inputs."""
    from torch import nn

    inputs, is_own = inputs_of(task), hasattr(task, "example")
    needed, most = _arguments(network)
    if len(needed) > len(inputs):
        names = ", ".join(needed)
        how = "return a tuple of them" if is_own else "give --shape once for each, e.g. --shape 3x32x32 --shape 10"
        return f"It takes {len(needed)} inputs ({names}) and got {len(inputs)}: {how}."
    if hasattr(task, "scored_by"):  # a task of the user's own data, whose form its settings say
        return f"These are the inputs of the task {task.name!r}: change what the network takes, or the task's settings."
    if most is not None and len(inputs) > most:
        return f"It takes at most {most} input{'s' * (most != 1)} and got {len(inputs)}."
    tables = [m.num_embeddings for m in network.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]
    has_tokens = any(each.tokens is not None for each in inputs)
    if tables and not has_tokens and not is_own:
        sides = inputs[0].shape[0] if len(inputs[0].shape) == 1 else 128
        return f"It looks tokens up: say how many there are, e.g. --shape {sides}:tokens={tables[0]}."
    if tables and isinstance(error, IndexError):
        return f"Its embeddings have {', '.join(map(str, sorted(set(tables))))} rows: tokens and lengths must be below."
    if is_own:
        return "The function that --inputs names must return what it takes: a tensor, a tuple, or a dictionary by name."
    if has_tokens and not tables:
        return "It may take real numbers: leave `:tokens=` out."
    return "Describe its inputs (--shape), or pass your own batch (--inputs module:function)."


def _arguments(network: Any) -> tuple[list[str], int | None]:
    """Return the names of a network's required inputs, and the maximum number of inputs; None: unlimited."""
    try:
        parameters = list(inspect.signature(network.forward).parameters.values())
    except (AttributeError, TypeError, ValueError):
        return [], None
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD], None
    return [p.name for p in parameters if p.default is p.empty], len(parameters)
