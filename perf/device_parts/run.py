"""The parts in order, each within its budget, each on its own feet."""

from __future__ import annotations

import importlib
import platform
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from device_parts.lines import Lines, finished, read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from device_parts.setting import Setting

MODULES = {
    "a": "gpu_tests",
    "b": "agreement",
    "c": "supernet",
    "d": "steps",
    "e": "vote",
    "f": "survival",
    "g": "together",
    "h": "costs",
}
_GRACE = 2.0  # seconds between asking a part to stop and stopping it


class OutOfTimeError(Exception):
    """The part's budget is spent."""


@dataclass
class Part:
    """What a part works with: the setting, its lines, and the time that it has."""

    name: str
    setting: Setting
    lines: Lines
    ends: float

    def tell(self, what: str, **values: Any) -> None:
        """Write a result."""
        self.lines.write(self.name, what, **values)

    @property
    def left(self) -> float:
        """Seconds until the budget is spent."""
        return self.ends - time.perf_counter()

    def check(self) -> None:
        """Raise `OutOfTimeError` if the budget is spent."""
        if self.left <= 0:
            raise OutOfTimeError


def run(setting: Setting, out: Path, parts: Mapping[str, Callable[[Part], None]] | None = None) -> None:
    """Run the parts that are not done, and write a line a result; `parts` stand in for the modules."""
    machine = machine_of(setting.device)
    identity = {**setting.identity(), **{name: machine[name] for name in ("card", "torch", "python")}}
    done = finished(read_lines(out), identity)
    lines, begun = Lines(out), time.perf_counter()
    lines.write("start", "machine", **machine, identity=identity, goes_on=bool(done))
    try:
        if parts is None:
            _load(setting, lines)
        for name in (name for name in setting.parts if name not in done):
            function = parts[name] if parts else importlib.import_module(f"device_parts.{MODULES[name]}").run
            left = setting.seconds - (time.perf_counter() - begun)
            _one(name, setting, lines, min(setting.budget(name), left), function)
        lines.write("end", "end", seconds=round(time.perf_counter() - begun, 1))
    finally:
        lines.close()


def _load(setting: Setting, lines: Lines) -> None:
    """Read the pictures once, so that no part pays for it."""
    from device_parts.tasks import pictures

    begun = time.perf_counter()
    try:
        task = pictures(setting)
        task.load()
        lines.write("start", "pictures", name=task.name, seconds=round(time.perf_counter() - begun, 2))
    except Exception as error:
        lines.write("start", "pictures", error=f"{type(error).__name__}: {str(error)[:300]}")


def _one(name: str, setting: Setting, lines: Lines, seconds: float, function: Callable[[Part], None]) -> None:
    """Run one part; what it does not survive is in its last line."""
    begun = time.perf_counter()
    part = Part(name, setting, lines, begun + seconds)
    told: dict[str, Any] = {}
    try:
        part.check()
        with _alarm(seconds + _GRACE):
            function(part)
        what = "done"
    except OutOfTimeError:
        what = "cut"
        told["why"] = f"its {seconds:.0f} s were over"
    except Exception as error:
        what = "failed"
        place = traceback.extract_tb(error.__traceback__)[-1]
        told["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        told["place"] = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
    if torch.device(setting.device).type == "cuda":
        torch.cuda.empty_cache()
    lines.write(name, what, seconds=round(time.perf_counter() - begun, 2), **told)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `OutOfTimeError` where a part does not look at its time; not on Windows."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def machine_of(device: str) -> dict[str, Any]:
    """Return what the results depend on: card, versions, and the settings of TF32 and cuDNN as torch has them."""
    found: dict[str, Any] = {"device": device, "card": platform.processor() or platform.machine(), "memory_gib": None}
    if torch.device(device).type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {"card": card.name, "memory_gib": round(card.total_memory / 2**30, 1)}
    cudnn = torch.backends.cudnn
    return found | {
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "cudnn": cudnn.version() if cudnn.is_available() else None,
        "python": platform.python_version(),
        "cores": len(os_cores()),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_tf32": cudnn.allow_tf32,
        "cudnn_deterministic": cudnn.deterministic,
        "cudnn_benchmark": cudnn.benchmark,
        "session": "tf32 off, deterministic, benchmark off",
    }


def os_cores() -> list[int]:
    """Return the cores this process may use."""
    import os

    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else list(range(os.cpu_count() or 1))


def synchronize(device: str) -> None:
    """Wait for what is queued on an accelerator."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize()


def seconds_of(function: Callable[[], Any], device: str) -> float:
    """Return the seconds of a call, to the end of what it queued."""
    synchronize(device)
    begun = time.perf_counter()
    function()
    synchronize(device)
    return time.perf_counter() - begun
