"""A training function of the user's: looked up, called so that nothing outlives the call, its errors as sentences."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import pickle
import re
import sys
import textwrap
import zipfile
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

from archsieve._shortage import machine_number
from archsieve.errors import (
    ArchsieveError,
    ScoringError,
    SettingError,
    UnknownNameError,
    describe_error,
    ends_the_run,
    line_of,
    machine_error,
)
from archsieve.networks.generators import drawing
from archsieve.networks.settings import kept_settings
from archsieve.registry import near_miss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from archsieve.tasks.contract import Task

EXTRAS = ("folder", "seed", "device")
"""Arguments that a function gets if it names them."""
_MISFIT = re.compile(
    r"shape|size|dimension|dtype|scalar type|target|out of bounds|out of range|not implemented for|broadcast|"
    r"must be (a )?Tensor|argument 'input'|^'\w+' object has no attribute|result type|does not match|"
    r"should be the same|0D or 1D"
)
"""What torch, or Python, says where outputs, targets and loss do not fit each other."""
_NO_SCALAR = re.compile(r"grad can be implicitly created only for scalar outputs")
_NO_GRADIENT = re.compile(r"does not require grad and does not have a grad_fn")
_UNREADABLE = (EOFError, pickle.UnpicklingError, zipfile.BadZipFile, json.JSONDecodeError)
_HALF = re.compile(r"PytorchStreamReader|unexpected end|corrupt|truncated|failed finding central directory|Ran out of")


def function_of(name: str) -> Callable[..., Any]:
    """Return the function "module:name".

    Raises:
        UnknownNameError: the module is not there, or has no such function.
        SettingError: it is no function.
    """
    module, _, attribute = name.partition(":")
    try:
        attributes = vars(importlib.import_module(module))
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise UnknownNameError(f"There is no module {module!r}: add --plugin {module}.py.") from error
    if attribute not in attributes:
        raise UnknownNameError(f"The module {module!r} has no {attribute!r}.{near_miss(attribute, attributes)}")
    function = attributes[attribute]
    if not callable(function):
        raise SettingError(f"{name} must be a function train(network, task, budget), but is {function!r:.100}.")
    return function  # type: ignore[no-any-return]


def extras_of(function: Callable[..., Any], name: str) -> list[str]:
    """Return the names of further arguments that a function accepts.

    Raises:
        SettingError: it does not take a network, a task and a budget, or needs something else.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of a function without one
        return []
    parameters = signature.parameters
    named = [extra for extra in EXTRAS if extra in parameters]
    try:
        signature.bind(None, None, 0, **dict.fromkeys(named))
    except TypeError as error:
        raise SettingError(
            f"{name} must be called as train(network, task, budget), and may name {', '.join(EXTRAS)}, but: {error}."
        ) from error
    return named


def source_of(function: Callable[..., Any]) -> str:
    """Return a hash of a function's source text, or its name if the source is unavailable."""
    try:
        text = textwrap.dedent(inspect.getsource(function)).strip()
    except (OSError, TypeError):
        text = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def contained(seed: int, device: str) -> Iterator[None]:
    """Let a user's code draw by the seed and print to standard error; put back what it changes for the process."""
    with drawing(seed, device), kept_settings(), redirect_stdout(sys.stderr):
        yield


def number_of(returned: Any) -> float | None:
    """Return a number, or a tensor or array of one number, as a float; None where it is something else."""
    single = returned
    if getattr(returned, "size", None) is not None and hasattr(returned, "item"):
        with suppress(TypeError, ValueError, RuntimeError):  # the last by tensors of several numbers
            single = returned.item()
    if single is None or isinstance(single, str | bytes | bool):
        return None
    try:
        return float(single)
    except (TypeError, ValueError, OverflowError):
        return None


def what_is(returned: Any) -> str:
    """Return what a function returned instead of a number, in words."""
    if returned is None:
        return "nothing (None): end it with `return score`"
    hint = ""
    if isinstance(returned, tuple | list) and returned and number_of(returned[0]) is not None:
        hint = ": return one of them"
    elif isinstance(returned, dict):
        hint = ": return one of its values"
    return f"{returned!r:.60} ({type(returned).__name__}){hint}"


def failed(name: str, error: BaseException, network: nn.Module, task: Task, old: Path | None) -> Exception:
    """Return the error for a network on which the function failed; errors that affect every network end the run.

    Args:
        name: of the function.
        error: what it raised.
        network: that it was given.
        task: that it was given.
        old: the folder that it was given, if an earlier call left something in it.
    """
    if machine_number(error):
        return machine_error(error, f"The function {name} failed")
    where = line_of(error, name.partition(":")[0])
    place = f" ({where})" if where else ""
    if isinstance(error, SystemExit):
        return ScoringError(f"{name} ended Python by exit({error.code!r:.50}){place}: let it return, or raise an error")
    if not isinstance(error, Exception):
        return ScoringError(f"{name} raised {type(error).__name__}{place}")
    is_own = isinstance(error, ArchsieveError)
    if not is_own and not isinstance(error, OSError | ImportError) and ends_the_run(error):
        return error  # a device that is lost
    return ScoringError(f"{name} raised {describe_error(error).rstrip('.')}{place}{_advice(error, network, task, old)}")


def _advice(error: Exception, network: nn.Module, task: Task, old: Path | None) -> str:
    text = str(error)
    if old is not None and (isinstance(error, _UNREADABLE) or _HALF.search(text)):
        return (
            f". An earlier call left files in {old}, and one may be half-written: delete that folder and search again "
            f"with --retry-failed. Write a file under another name and rename it (os.replace), so that it is whole"
        )
    if _NO_SCALAR.search(text):
        return ". A loss must be one number: reduce it, e.g. loss.mean()"
    if _NO_GRADIENT.search(text):
        return ". The loss does not depend on weights that are trained: compute it outside of torch.no_grad(), unfrozen"
    if isinstance(error, ArchsieveError) or not _MISFIT.search(text):
        return ""
    forms = _forms(network, task)
    return f". {forms}: make head, loss and targets fit each other" if forms else ""


def _forms(network: nn.Module, task: Task) -> str:
    """Return the forms of a batch and of the network's outputs in words; empty where they cannot be found out."""
    import torch

    from archsieve.networks.counting.counter import device_of
    from archsieve.networks.inputs import call, mapped, parts_of
    from archsieve.networks.outputs import named_outputs

    said = []
    with suppress(Exception), contained(0, "cpu"), torch.no_grad():
        inputs, targets = next(iter(task.batches("train", batch_size=2)))
        batch = " and ".join(_form(part) for part in parts_of(inputs))
        said.append(f"A batch of the task has inputs {batch} and targets {_form(targets)}")
        outputs = call(network.eval(), mapped(inputs, lambda tensor: tensor.to(device_of(network))))
        if isinstance(outputs, torch.Tensor):
            said.append(f"the network returns {_form(outputs)}")
        else:
            by_name = named_outputs(outputs)
            names = f" of {', '.join(by_name)}" if by_name else ""
            said.append(f"the network returns no tensor, but {type(outputs).__name__}{names}")
    return ", ".join(said)


def _form(tensor: Tensor) -> str:
    sides = ", ".join(["n", *map(str, tensor.shape[1:])])
    return f"{str(tensor.dtype).removeprefix('torch.')} ({sides})"
