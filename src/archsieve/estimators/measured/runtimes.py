"""Runtimes for timing networks: torch (eager or compiled) and onnxruntime."""

from __future__ import annotations

import os
import shutil
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from archsieve.errors import ScoringError, SettingError
from archsieve.networks.building import build_network
from archsieve.networks.inputs import call, drawn_for, mapped, parts_of
from archsieve.networks.programs import fed_to, onnx_session, plain, save_onnx

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve.estimators.contract import Context
    from archsieve.estimators.measured.rounds import Passes
    from archsieve.networks.form import Given
    from archsieve.spaces.contract import Architecture

RUNTIMES = {"eager": "torch", "compile": "torch", "onnxruntime": "onnxruntime"}
"""The package behind each runtime."""


def versions_of(runtime: str) -> dict[str, str]:
    """Return the versions of the packages that a runtime uses."""
    return {name: version(name) for name in dict.fromkeys(("torch", RUNTIMES[runtime]))}


def eager(arch: Architecture, ctx: Context, batch: int, dtype: str, *, channels_last: bool) -> Passes:
    """Return a function that runs the network of an architecture in torch's inference mode on the context's device.

    The passes of a call are waited for together.
    """
    network, inputs = _placed(arch, ctx, batch, dtype, channels_last=channels_last)
    return _passes(partial(call, network, inputs), ctx.device)


def compiled(arch: Architecture, ctx: Context, batch: int, dtype: str, *, channels_last: bool) -> Passes:
    """Return a function that runs the network of an architecture compiled as a whole by torch.compile.

    Raises:
        SettingError: on a CPU, there is no C++ compiler.
    """
    if ctx.device == "cpu":
        check_compiler()
    network, inputs = _placed(arch, ctx, batch, dtype, channels_last=channels_last)
    positional = () if isinstance(inputs, dict) else tuple(parts_of(inputs))
    named = inputs if isinstance(inputs, dict) else {}
    with torch.no_grad():
        # A program has code of its own: torch compiles the code of one class for a few networks only.
        program = torch.export.export(plain(network, inputs), positional, dict(named), strict=False).module()
    optimised = torch.compile(program, dynamic=False, fullgraph=True, options={"compile_threads": 1})
    passes = _passes(partial(optimised, *positional, **named), ctx.device)
    with warnings.catch_warnings(action="ignore"):  # of torch about itself
        passes(1)
    return passes


def check_compiler() -> None:
    """Check that a C++ compiler is installed, which torch.compile needs on a CPU.

    Raises:
        SettingError: there is none.
    """
    named = os.environ.get("CXX", "")
    if not any(map(shutil.which, [named] if named else _COMPILERS)):
        raise SettingError(
            f"The runtime 'compile' needs a C++ compiler, but {'CXX is ' + repr(named) if named else 'there is none'}: "
            f"install g++ or clang++, or take the runtime 'eager' or 'onnxruntime'."
        )


_COMPILERS = ("g++", "clang++")


def _placed(
    arch: Architecture, ctx: Context, batch: int, dtype: str, *, channels_last: bool
) -> tuple[nn.Module, Given]:
    """Return the network of an architecture in evaluation mode, and its inputs, on the device."""
    kind = getattr(torch, dtype)
    network = build_network(ctx.space, arch, ctx.task, ctx.seed).eval().to(ctx.device, kind)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(memory_format=layout)  # type: ignore[call-overload]

    def placed(tensor: torch.Tensor) -> torch.Tensor:
        moved = tensor.to(ctx.device, kind) if tensor.is_floating_point() else tensor.to(ctx.device)
        return moved.contiguous(memory_format=layout) if moved.dim() == 4 else moved

    return network, mapped(drawn_for(ctx.task, batch), placed)


def _passes(run_once: Callable[[], object], device: str) -> Passes:
    """Return a function that runs a number of passes in inference mode and waits for all of them."""
    accelerator: Any = None if device == "cpu" else getattr(torch, device.partition(":")[0])

    def run(passes: int) -> None:
        with torch.inference_mode():
            for _ in range(passes):
                run_once()
        if accelerator is not None:
            accelerator.synchronize()

    return run


def onnxruntime(arch: Architecture, ctx: Context, batch: int, threads: int) -> Passes:
    """Return a function that runs the network of an architecture by onnxruntime, input and output copies included.

    Raises:
        MissingPackageError: what it needs is not installed.
        ScoringError: the network cannot be written as ONNX, or onnxruntime cannot read that.
    """
    network, inputs = build_network(ctx.space, arch, ctx.task, ctx.seed).eval(), drawn_for(ctx.task, max(2, batch))
    with TemporaryDirectory(prefix="archsieve-") as folder:
        path = Path(folder, "network.onnx")
        try:
            save_onnx(plain(network, inputs), inputs, path)
        except SettingError as error:  # of this network: another may be written
            raise ScoringError(str(error)) from error
        return session_passes(path, drawn_for(ctx.task, batch), threads=threads, device=ctx.device)


def session_passes(path: Path, given: Given, *, threads: int = 1, device: str = "cpu") -> Passes:
    """Return a function that runs an ONNX file on these inputs by onnxruntime."""
    session = onnx_session(path, threads=threads, device=device)
    fed = fed_to(session, given)

    def run(passes: int) -> None:
        for _ in range(passes):
            session.run(None, fed)

    return run
