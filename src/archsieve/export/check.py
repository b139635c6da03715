"""Checks of exported files: each is run beside the original network."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from archsieve.errors import MissingPackageError, SettingError
from archsieve.networks.inputs import call, example_of, made_from, mapped
from archsieve.networks.outputs import main_output
from archsieve.networks.programs import run_onnx

if TYPE_CHECKING:
    from torch import nn

    from archsieve.networks.form import Given
    from archsieve.tasks.contract import Task

BATCHES = (2, 5)
_RUN = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "archsieve":
            raise ModuleNotFoundError("No module named 'archsieve'", name=name)
sys.meta_path.insert(0, Without())
folder, inputs, outputs, output = sys.argv[1:]
sys.path.insert(0, folder)
import torch
torch.set_num_threads(1)
import network
made = network.network()
def given(batch):
    kind, tensors = batch
    return made(**tensors) if kind == "named" else made(*tensors)
with torch.no_grad():
    made_outputs = [given(batch) for batch in torch.load(inputs, weights_only=True)]
def parts(value):
    if hasattr(value, "items"):
        return dict(value.items())
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return value
def main(value, path=None):
    if isinstance(value, torch.Tensor):
        return value
    value = parts(value)
    if path:
        first, *rest = path
        names = getattr(value, "_fields", None)
        place = first if isinstance(value, dict) else names.index(first) if names else int(first)
        return main(value[place], rest)
    if isinstance(value, dict):
        named = {name: part for name, part in value.items() if isinstance(part, torch.Tensor)}
        return named["logits"] if "logits" in named else next(part for n, part in named.items() if n[:3] != "aux")
    return main(value[0])
path = output.split(".") if output else None
torch.save([main(value, path) for value in made_outputs], outputs)
"""


class Check(NamedTuple):
    """The check of a file: its largest output difference by batch size, and seconds; or why it was not checked."""

    file: str
    differences: dict[int, float]
    seconds: float
    note: str = ""

    def __str__(self) -> str:
        """Return the check as one line."""
        if self.note:
            return f"{self.file}: not checked. {self.note}"
        each = ", ".join(f"{value:.3g} of a batch of {items}" for items, value in self.differences.items())
        return f"{self.file}: greatest difference {each}; {self.seconds:.1f} s"


def batches_for(task: Task, seed: int = 0) -> dict[int, Given]:
    """Return inputs in two batch sizes: normal numbers for real inputs, random tokens or the example's for others."""
    generator = torch.Generator().manual_seed(seed)

    def filled(tensor: Tensor) -> Tensor:
        if tensor.is_floating_point():
            return torch.randn(tensor.shape, dtype=torch.float32, generator=generator)
        return tensor

    given = {items: mapped(made_from(example_of(task), items, "cpu"), filled) for items in BATCHES}
    return {items: _with_tokens(task, batch, generator) for items, batch in given.items()}


def _with_tokens(task: Task, given: Given, generator: torch.Generator) -> Given:
    """Return inputs with random tokens, unless the task has its own example."""
    from archsieve.networks.form import inputs_of
    from archsieve.networks.inputs import arranged, parts_of

    if callable(getattr(task, "example", None)):
        return given
    pairs = zip(inputs_of(task), parts_of(given), strict=True)
    drawn = [
        tensor if each.tokens is None else torch.randint(each.tokens, tensor.shape, generator=generator)
        for each, tensor in pairs
    ]
    return arranged(inputs_of(task), drawn)


def outputs_by(network: nn.Module, batches: dict[int, Given]) -> dict[int, Tensor]:
    """Return the outputs of a network for each batch."""
    with torch.no_grad():
        return {items: main_output(call(network, given)) for items, given in batches.items()}


def check_program(path: Path, batches: dict[int, Given], expected: dict[int, Tensor]) -> Check:
    """Return the check of a torch.export program."""
    begun = time.perf_counter()
    network = torch.export.load(path).module()

    def run(given: Given) -> Tensor:
        return main_output(network(**given) if isinstance(given, dict) else network(*_positional(given)))

    with torch.no_grad():
        found = {items: run(given) for items, given in batches.items()}
    return Check(path.name, _differences(found, expected), time.perf_counter() - begun)


def check_onnx(path: Path, batches: dict[int, Given], expected: dict[int, Tensor]) -> Check:
    """Return the check of an ONNX file, run by onnxruntime if it is installed."""
    begun = time.perf_counter()
    try:
        found = {items: run_onnx(path, given) for items, given in batches.items()}
    except MissingPackageError as error:
        return Check(path.name, {}, 0.0, str(error))
    return Check(path.name, _differences(found, expected), time.perf_counter() - begun)


def check_source(
    folder: Path, batches: dict[int, Given], expected: dict[int, Tensor], output: str | None = None
) -> Check:
    """Return the check of `network.py`, run in a new interpreter that cannot import archsieve.

    `output` is the name or place of the output that is meant, where the search was told.

    Raises:
        SettingError: it does not run; says why.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        inputs, outputs = Path(temporary, "inputs.pt"), Path(temporary, "outputs.pt")
        torch.save([_written(given) for given in batches.values()], inputs)
        environment = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-B", "-c", _RUN, str(folder), str(inputs), str(outputs), output or ""]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise SettingError(
                f"network.py does not run without archsieve: {reason[:300]}. The model must be in a file that imports "
                f"only choice and one_of of archsieve, and what is installed or lies beside it; a factory that reads a "
                f"file of weights needs an argument `pretrained`, which network.py sets to False. Or export another "
                f"form."
            )
        found = dict(zip(batches, torch.load(outputs, weights_only=True), strict=True))
    return Check("network.py", _differences(found, expected), time.perf_counter() - begun)


def _written(given: Given) -> tuple[str, object]:
    return ("named", given) if isinstance(given, dict) else ("in order", list(_positional(given)))


def _positional(given: Given) -> tuple[Tensor, ...]:
    from archsieve.networks.inputs import parts_of

    return tuple(parts_of(given))


def _differences(found: dict[int, Tensor], expected: dict[int, Tensor]) -> dict[int, float]:
    return {items: float((found[items] - expected[items]).abs().max()) for items in expected}
