"""A pretended accelerator that refuses float64, as MPS does, for machines that have none.

    with accelerator_without_float64() as device:      # "mps"
        score = ZeroCost("nwot").score(archs, Context(space, task, folder, device=device))

Everything is computed by the CPU. Torch's functions are intercepted, and tensors are told apart by where the code puts
them: what is made without a device, moved there by `.cpu()` or `.to("cpu")`, or computed from such tensors alone, is on
the host; every other tensor is on the accelerator. On the accelerator

- a float64 tensor raises `RefusedError` with the words of MPS, wherever it comes from: a cast, a factory, a promotion;
- `.numpy()` does so too, but of bytes in a row: as such a generator gives its state, always on the host;
- `tensor.device` answers "mps:0", so that what is made "on the same device" is made there, and
- the device's generator is one of its own, behind the functions of `torch.mps`.

What the autograd engine does inside `backward` is not seen, nor what a kernel does inside; hooks of a forward pass are.
"""

from __future__ import annotations

import contextlib
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

DEVICE = "mps"
REFUSED = "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
_NAMES = "arange empty eye full linspace ones rand randint randn randperm tensor as_tensor zeros from_numpy"
_FACTORIES = {getattr(torch, name) for name in _NAMES.split()}
_MOVES = {"to", "new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"}
_OPERATORS = {"add__", "sub__", "mul__", "truediv__", "floordiv__", "div__", "mod__", "pow__", "and__", "or__", "xor__"}
_MARK = "_is_on_host"


class RefusedError(RuntimeError):
    """What an accelerator does not do. No TypeError, as of MPS: Python's operators would swallow it."""


class _Accelerator(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        name = getattr(func, "__name__", "")
        if func is torch.device or name == "_parse_to":  # what they name is looked at where it is used
            return func(*args, **kwargs)
        if func == Tensor.device.__get__:
            return func(*args, **kwargs) if is_on_host(args[0]) else torch.device(DEVICE, 0)
        if func is Tensor.numpy and not is_on_host(args[0]) and not _is_state(args[0]):
            raise RefusedError("can't convert mps:0 device type tensor to numpy. Use Tensor.cpu() to copy it first.")
        places = [place for place in (_device_in(value) for value in (*args, *kwargs.values())) if place is not None]
        if func in _FACTORIES and not places:
            host = True  # from a tensor too: the mode sees `torch.tensor(x)` and `torch.as_tensor(x)` as making anew
        elif name == "cpu" or (
            places and name in {"to", "new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"}
        ):
            host = name == "cpu" or places[-1].type == "cpu"
        elif func in _FACTORIES or (places and not tensors):
            host = places[-1].type == "cpu"
        else:
            host = bool(tensors) and all(map(is_on_host, tensors))
        args, kwargs = _on_cpu(args), {key: _on_cpu((value,))[0] for key, value in kwargs.items()}
        found = func(*args, **kwargs)
        if func == Tensor.data.__set__:  # how a network is moved: its parameters get other data
            setattr(args[0], _MARK, is_on_host(args[1]))
        if func is Tensor.__iter__:
            found = iter([_marked(item, host, ()) for item in found])
        elif not _is_in_place(name):
            found = _marked(found, host, tensors)
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor) and tensor.dtype == torch.float64 and not is_on_host(tensor):
                raise RefusedError(f"{REFUSED} ({name})")
        return found


def is_on_host(tensor: Tensor) -> bool:
    """Whether a tensor is on the host, and not on the pretended accelerator."""
    return tensor.__dict__.get(_MARK, False)


def _is_state(tensor):
    return tensor.dtype == torch.uint8 and tensor.dim() == 1


@contextmanager
def accelerator_without_float64():
    """Give the name of the pretended device; see the module."""
    generator = torch.Generator()
    functions = {
        "manual_seed": generator.manual_seed,
        "get_rng_state": generator.get_state,
        "set_rng_state": generator.set_state,
    }
    with contextlib.ExitStack() as stack:
        for name, function in functions.items():
            stack.enter_context(mock.patch.object(torch.mps, name, function))
        for module in ("training.loop", "tasks.data.batching"):  # a mode is for one thread
            stack.enter_context(mock.patch(f"archsieve.{module}.ahead", lambda calls: (call() for call in calls)))
        stack.enter_context(_Accelerator())
        yield DEVICE


def _device_in(value):
    """Return the device that an argument names, if it names one."""
    if isinstance(value, torch.device):
        return value
    if isinstance(value, str) and value.partition(":")[0] in ("cpu", "meta", DEVICE):
        return torch.device(value)
    return None


def _on_cpu(values):
    """Return arguments that name the CPU where they named the accelerator."""
    places = (_device_in(value) for value in values)
    is_ours = (place is not None and place.type == DEVICE for place in places)
    return tuple("cpu" if ours else value for ours, value in zip(is_ours, values, strict=True))


def _is_in_place(name):
    """Whether a function of that name writes into a tensor, which stays where it is."""
    if name.startswith("__"):
        return name == "__set__" or (name.startswith("__i") and name[3:] in _OPERATORS)
    return name.endswith("_")


def _marked(found, host, tensors):
    """Return what a function gave back, marked as on the host or not; of a tensor that went in, an alias."""
    if isinstance(found, Tensor):
        if any(found is tensor for tensor in tensors):
            if is_on_host(found) == host:
                return found
            found = found.view_as(found)
        setattr(found, _MARK, host)
        return found
    if (isinstance(found, tuple) and type(found) is tuple) or isinstance(found, list):
        return type(found)(_marked(item, host, tensors) for item in found)
    for leaf in tree_leaves(found):
        if isinstance(leaf, Tensor):
            setattr(leaf, _MARK, host)
    return found
