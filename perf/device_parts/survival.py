"""Part (f): a training is killed inside an epoch, in a process of its own, goes on, and ends as one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from archsieve import SPACES
from archsieve.networks.building import build_network
from archsieve.runs.arithmetic import Arithmetic
from archsieve.training.checkpoint import load_checkpoint
from archsieve.training.loop import train
from archsieve.training.recipe import Recipe
from device_parts.tasks import noise

if TYPE_CHECKING:
    import torch

    from device_parts.run import Part

CHILD = """
import sys
sys.path[:0] = {paths!r}
from device_parts.survival import trained
trained({device!r}, {checkpoint!r}, tell=True)
"""
EPOCHS, KILL_AT = 2, 12  # steps: the second epoch has begun
ARCH = (1, 2, 1, 2)


def run(part: Part) -> None:
    """Write where it was killed, how, and how far its weights are from those of a training that was not killed."""
    device = part.setting.device
    whole = trained(device, None)
    for name in ("SIGTERM", "SIGKILL"):
        part.check()
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder) / "killed.pt"
            steps, code = killed(device, checkpoint, getattr(signal, name))
            before = checkpoint.exists() and load_checkpoint(checkpoint, network()).epochs
            begun = time.perf_counter()
            again = trained(device, str(checkpoint))
        greatest = max(float((whole[key].double() - again[key].double()).abs().max()) for key in whole)
        part.tell(
            name,
            killed_after_steps=steps,
            code=code,
            epochs_kept=int(before),
            greatest_difference=greatest,
            is_equal=greatest == 0,
            seconds_to_go_on=time.perf_counter() - begun,
        )


def killed(device: str, checkpoint: Path, how: signal.Signals) -> tuple[int, int]:
    """Start the training, kill it when it has taken so many steps, and return these and how it ended."""
    here = Path(__file__).resolve().parents[1]
    paths = [str(here), str(here.parent / "src")]
    code = CHILD.format(paths=paths, device=device, checkpoint=str(checkpoint))
    steps = 0
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        try:
            for _ in child.stdout or ():
                steps += 1
                if steps == KILL_AT:
                    os.kill(child.pid, how)
            return steps, child.wait()
        finally:
            child.kill()


def network() -> torch.nn.Module:
    """Return the network that is trained."""
    space = SPACES["nasbench-macro"](stem_width=4, widths=(6, 8), stages=(2, 2), head_width=8)
    return build_network(space, ARCH, noise((3, 16, 16), 60), 0)


def trained(device: str, checkpoint: str | None, *, tell: bool = False) -> dict[str, Any]:
    """Train, and return the weights on the CPU; with `tell`, print a line a step."""
    net, task = network(), noise((3, 16, 16), 90)  # 81 to train on: ten steps an epoch

    def forward(inputs: Any, _: Any) -> Any:
        if tell:
            print("step", flush=True)
            time.sleep(0.02)
        yield net(inputs)

    recipe = Recipe(horizon=4, learning_rate=0.05, weight_decay=1e-4, batch_size=8)
    where = Path(checkpoint) if checkpoint else None
    with Arithmetic().applied(device):
        train(net, task, recipe, epochs=EPOCHS, seed=0, device=device, checkpoint=where, forward=forward)
    return {name: tensor.detach().cpu() for name, tensor in net.state_dict().items()}
