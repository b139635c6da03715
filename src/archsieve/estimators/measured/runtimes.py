"""What runs a network when it is timed: torch as it is, or onnxruntime."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from archsieve.errors import ScoringError, SettingError
from archsieve.networks.building import build_network
from archsieve.networks.inputs import call, drawn_for, mapped
from archsieve.networks.programs import fed_to, onnx_session, plain, save_onnx

if TYPE_CHECKING:
    from archsieve.estimators.contract import Context
    from archsieve.estimators.measured.rounds import Passes
    from archsieve.networks.form import Given
    from archsieve.spaces.contract import Architecture

RUNTIMES = {"eager": "torch", "onnxruntime": "onnxruntime"}
"""The package behind each runtime."""


def versions_of(runtime: str) -> dict[str, str]:
    """Return the versions of the packages that a runtime needs."""
    return {name: version(name) for name in dict.fromkeys(("torch", RUNTIMES[runtime]))}


def eager(arch: Architecture, ctx: Context, batch: int, dtype: str, *, channels_last: bool) -> Passes:
    """Return what runs the network of an architecture as torch runs it, in inference mode on the context's device.

    The passes of a call are waited for together.
    """
    kind = getattr(torch, dtype)
    network = build_network(ctx.space, arch, ctx.task, ctx.seed).eval().to(ctx.device, kind)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = network.to(memory_format=layout)  # type: ignore[call-overload]

    def placed(tensor: torch.Tensor) -> torch.Tensor:
        moved = tensor.to(ctx.device, kind) if tensor.is_floating_point() else tensor.to(ctx.device)
        return moved.contiguous(memory_format=layout) if moved.dim() == 4 else moved

    inputs = mapped(drawn_for(ctx.task, batch), placed)
    accelerator: Any = None if ctx.device == "cpu" else getattr(torch, ctx.device.partition(":")[0])

    def run(passes: int) -> None:
        with torch.inference_mode():
            for _ in range(passes):
                call(network, inputs)
        if accelerator is not None:
            accelerator.synchronize()

    return run


def onnxruntime(arch: Architecture, ctx: Context, batch: int, threads: int) -> Passes:
    """Return what runs the network of an architecture by onnxruntime; copies of inputs and outputs are in its time.

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
    """Return what runs an ONNX file on these inputs by onnxruntime."""
    session = onnx_session(path, threads=threads, device=device)
    fed = fed_to(session, given)

    def run(passes: int) -> None:
        for _ in range(passes):
            session.run(None, fed)

    return run
