"""Networks as programs that need no source code: torch.export and ONNX."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from archsieve.errors import SettingError, require
from archsieve.networks.inputs import call, parts_of
from archsieve.networks.outputs import main_output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from archsieve.networks.form import Given

_OPSET = 18
_LARGEST_BATCH = 1 << 16


class MainOutput(nn.Module):
    """Wraps a network so that it returns only its main output."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        """Return the main output."""
        return main_output(self.network(*inputs, **named))


def plain(network: nn.Module, given: Given) -> nn.Module:
    """Return the network, wrapped in `MainOutput` if it returns more than one tensor."""
    with torch.no_grad():
        return network if isinstance(call(network, given), Tensor) else MainOutput(network)


def save_program(network: nn.Module, given: Given, path: Path) -> None:
    """Write a torch.export program that accepts batches of any size.

    Raises:
        SettingError: torch.export cannot follow the network; says where.
    """
    with _quiet():
        try:
            torch.export.save(_program(network, given), path)
        except Exception as error:  # of any kind, by what a network does
            raise SettingError(f"torch.export cannot follow this network: {_first_line(error)}") from error


def save_onnx(network: nn.Module, given: Given, path: Path) -> None:
    """Write an ONNX file that accepts batches of any size.

    Raises:
        MissingPackageError: onnx or onnxscript is not installed.
        SettingError: the network cannot be written as ONNX; says why.
    """
    for package in ("onnx", "onnxscript"):
        require(package, "onnx")
    with _quiet():
        try:
            program = torch.onnx.export(_program(network, given), dynamo=True, opset_version=_OPSET, verbose=False)
            program.save(str(path), external_data=False)  # type: ignore[union-attr]
        except Exception as error:  # of any kind, by what a network does
            raise SettingError(f"torch.onnx cannot write this network: {_first_line(error)}") from error


def run_onnx(path: Path, given: Given) -> Tensor:
    """Return the outputs that onnxruntime computes.

    Raises:
        MissingPackageError: it is not installed.
    """
    session = onnx_session(path)
    return torch.from_numpy(session.run(None, fed_to(session, given))[0])


def onnx_session(path: Path, *, threads: int = 1, device: str = "cpu") -> Any:
    """Return an onnxruntime session of an ONNX file.

    Raises:
        MissingPackageError: it is not installed.
        SettingError: it cannot compute on a device of that kind.
    """
    require("onnxruntime", "onnx")
    import onnxruntime

    provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(device.partition(":")[0])
    if provider not in onnxruntime.get_available_providers():
        raise SettingError(
            f"The onnxruntime installed here cannot compute on {device!r}: install one that does (for CUDA "
            f"onnxruntime-gpu), or use the runtime 'eager'."
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=[provider])


def fed_to(session: Any, given: Given) -> dict[str, Any]:
    """Return inputs as an onnxruntime session takes them: arrays by name."""
    names = [each.name for each in session.get_inputs()]
    if isinstance(given, dict):
        return {name: tensor.numpy() for name, tensor in given.items() if name in names}
    return {name: tensor.numpy() for name, tensor in zip(names, parts_of(given), strict=True)}


def _program(network: nn.Module, given: Given) -> Any:
    batch = torch.export.Dim("batch", min=1, max=_LARGEST_BATCH)
    positional = () if isinstance(given, dict) else tuple(parts_of(given))
    named = given if isinstance(given, dict) else {}
    shapes: Any = tuple({0: batch} for _ in positional)
    if named:
        shapes = {name: {0: batch} for name in named}
    elif isinstance(network, MainOutput):
        shapes = (shapes,)  # of *inputs
    if named and isinstance(network, MainOutput):
        shapes = {"named": shapes}
    with torch.no_grad():
        return torch.export.export(network, positional, dict(named), dynamic_shapes=shapes, strict=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the printed and logged output of exporters."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
