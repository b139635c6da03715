"""Latency on this machine as an estimator; timings on a machine that is too busy are refused."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from archsieve import _machine
from archsieve.errors import PartialScoringError, SettingError, ends_the_run, reason_of
from archsieve.estimators.contract import Price
from archsieve.estimators.measured.alone import alone
from archsieve.estimators.measured.facts import tell
from archsieve.estimators.measured.rounds import WARM_UP, Timing, spread_of, timed
from archsieve.tasks.contract import Measure
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from archsieve.estimators.contract import Context, Scores
    from archsieve.estimators.measured.rounds import Passes
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

_DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Latency:
    """Scores an architecture by minus the milliseconds of one forward pass of its network on this machine.

    The networks of a chunk take turns: in each round every one runs for about `seconds`. The score is the least of the
    rounds, which other processes disturb least; median, quartiles, spread, load and the share of the processor's time
    are stored beside it. A network is timed again where the median lies more than `spread` above the minimum, or, on a
    CPU, the process got less than `least_share` of the time. After `tries` such attempts it has no score, and the
    reason says how busy the machine is. One process of a machine measures at a time.

    A measured number is not the same twice. It is stored once and kept; its key holds the name of the device, so that
    another machine measures anew.

    Args:
        batch: items of a pass.
        runtime: "eager" is torch as it is, "compile" what torch.compile makes of the network, which takes seconds to
            a minute for each and on a CPU needs a C++ compiler, "onnxruntime" the network as ONNX.
        clock: "wall", or "cpu", the time that the process took of the processor; other processes disturb that less.
        threads: of a pass on a CPU.
        dtype: "float32", "float16" or "bfloat16", for the runtimes of torch.
        channels_last: the layout of pictures and weights, for the runtimes of torch.
        rounds: how many.
        seconds: of a round of one network, about.
        spread: how far the median of the rounds may lie above their minimum, as a share of it.
        least_share: of the wall's time that the process must get on a CPU, with the clock "wall".
        tries: how often a network is timed at most.
        repeat: which of several measurements of the same network.
    """

    batch: int = 1
    runtime: Literal["eager", "compile", "onnxruntime"] = "eager"
    clock: Literal["wall", "cpu"] = "wall"
    threads: int = 1
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    channels_last: bool = True
    rounds: int = 9
    seconds: float = 0.05
    spread: float = 0.1
    least_share: float = 0.8
    tries: int = 3
    repeat: int = 0
    version: ClassVar[int] = 1
    chunk_size: ClassVar[int] = 8
    is_measured: ClassVar[bool] = True
    measure: ClassVar[Measure] = Measure("latency in ms", higher_is_better=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        choices = {"runtime": ("eager", "compile", "onnxruntime"), "clock": ("wall", "cpu"), "dtype": _DTYPES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise SettingError(f"`{name}` must be one of {', '.join(known)}, but got {getattr(self, name)!r}.")
        for name in ("batch", "threads", "tries"):
            check_whole(name, getattr(self, name), 1)
        check_whole("rounds", self.rounds, 3)
        check_whole("repeat", self.repeat, 0)
        if self.runtime == "onnxruntime" and self.dtype != "float32":
            raise SettingError(f"The runtime {self.runtime!r} needs dtype = 'float32', but got {self.dtype!r}.")
        for name, most in (("seconds", 60.0), ("spread", 10.0), ("least_share", 1.0)):
            if not 0 < getattr(self, name) <= most:
                raise SettingError(f"`0 < {name} <= {most:g}` must hold, but got {name}={getattr(self, name)}.")

    @property
    def name(self) -> str:
        """The name with the runtime and the settings that differ from the defaults."""
        words: list[str] = [self.runtime]
        words += [f"{word} {value}" for word in ("batch", "threads") if (value := getattr(self, word)) != 1]
        words += [self.dtype] if self.dtype != "float32" else []
        words += ["CPU time"] if self.clock == "cpu" else []
        words += [f"repeat {self.repeat}"] if self.repeat else []
        return f"latency[{', '.join(words)}]"

    def place(self, device: str) -> dict[str, str]:
        """Return the name of the device, which is part of the key of a score."""
        return {"machine": device_name(device)}

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return zero: nothing is trained."""
        return Price(0.0, 0.0)

    def seconds_of(self, arch: Architecture, ctx: Context) -> float:
        """Return an estimate of the seconds to measure one network, from building and running this one.

        Raises:
            MissingPackageError: what the runtime needs is not installed.
        """
        begun = time.perf_counter()
        with self._threads():
            self._passes(arch, ctx)(1)
        return time.perf_counter() - begun + WARM_UP + self.rounds * self.seconds

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return minus the milliseconds of a forward pass, shape (n,), higher is better.

        Raises:
            PartialScoringError: some networks cannot be run, or not be timed because the machine is busy.
            SettingError: the clock is "cpu" on another device.
            MissingPackageError: what the runtime needs is not installed.
        """
        if self.clock == "cpu" and ctx.device != "cpu":
            raise SettingError(f"`clock` = 'cpu' does not measure what {ctx.device!r} takes: leave it at 'wall'.")
        scores, reasons = np.full((len(archs), 1), np.nan), {}
        with self._threads(), alone(f"latency {ctx.device}"):
            networks: dict[int, Passes] = {}
            for place, arch in enumerate(archs):
                try:
                    networks[place] = self._passes(arch, ctx)
                    networks[place](1)
                except Exception as error:  # whatever the code of a network raises
                    if ends_the_run(error):
                        raise
                    networks.pop(place, None)
                    reasons[place, 0] = reason_of(error)
            for place, (score, reason) in self._timed(networks, archs, ctx).items():
                scores[place, 0] = score
                if reason:
                    reasons[place, 0] = reason
        if reasons:
            raise PartialScoringError(scores, reasons)
        return scores[:, 0]

    def _timed(
        self, networks: dict[int, Passes], archs: Sequence[Architecture], ctx: Context
    ) -> dict[int, tuple[float, str]]:
        """Return the scores of networks by position, or the reasons for missing ones."""
        outcomes: dict[int, tuple[float, str]] = {}
        waiting = dict(networks)
        for attempt in range(1, self.tries + 1):
            if not waiting:
                break
            timings = timed(list(waiting.values()), rounds=self.rounds, seconds=self.seconds)
            for place, timing in zip(list(waiting), timings, strict=True):
                reason = self.refusal(timing, ctx.device)
                outcomes[place] = np.nan if reason else 0.0 - min(self.read(timing)), reason
                tell(archs[place], self._facts(timing, ctx.device, attempt, len(waiting)))
                if not reason:
                    del waiting[place]
        return outcomes

    def read(self, timing: Timing) -> tuple[float, ...]:
        """Return the milliseconds of each round by the selected clock."""
        return timing.processor if self.clock == "cpu" else timing.wall

    def refusal(self, timing: Timing, device: str = "cpu") -> str:
        """Return why a timing is refused; empty if it is accepted."""
        load, spread = _machine.load(), spread_of(self.read(timing))
        busy = f"the machine is busy{'' if load is None else f' (load {load:.1f} on {_machine.cores()} cores)'}"
        if self.clock == "wall" and device == "cpu" and timing.share < self.least_share:
            return (
                f"{busy}: the process got {100 * timing.share:.0f} % of the time, and needs "
                f"{100 * self.least_share:.0f} %; stop other work, or take clock = 'cpu'"
            )
        if not spread <= self.spread:
            return (
                f"{busy}: the median of its rounds is {100 * spread:.0f} % above the minimum, at most "
                f"{100 * self.spread:.0f} % count; stop other work, or raise `spread` or `rounds`"
            )
        return ""

    def _facts(self, timing: Timing, device: str, attempt: int, together: int) -> dict[str, Any]:
        from archsieve.estimators.measured.runtimes import versions_of

        low, median, high = np.percentile(self.read(timing), (25, 50, 75))
        return {
            "ms": round(min(self.read(timing)), 6),
            "median_ms": round(float(median), 6),
            "quartiles_ms": [round(float(low), 6), round(float(high), 6)],
            "spread": spread_of(self.read(timing)),
            "processor_share": round(timing.share, 4),
            "load": _machine.load(),
            "cores": _machine.cores(),
            "device": device_name(device),
            "threads": self.threads,
            "passes": timing.passes,
            "tries": attempt,
            "together": together,
            "versions": versions_of(self.runtime),
        }

    def _passes(self, arch: Architecture, ctx: Context) -> Passes:
        from archsieve.estimators.measured import runtimes

        if self.runtime == "compile":
            return runtimes.compiled(arch, ctx, self.batch, self.dtype, channels_last=self.channels_last)
        if self.runtime == "onnxruntime":
            return runtimes.onnxruntime(arch, ctx, self.batch, self.threads)
        return runtimes.eager(arch, ctx, self.batch, self.dtype, channels_last=self.channels_last)

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Set torch's thread count to the setting inside the context."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def device_name(device: str) -> str:
    """Return the name of the processor or accelerator behind a torch device."""
    if device == "cpu":
        return _machine.processor()
    import torch

    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name(device))
    return f"{device} of {_machine.processor()}"
