"""Part (e): the vote's three proxies over Macro networks, ours against the plain loop on the same device.

Plain is what one writes first: a fresh network for each proxy and architecture. Ours is the estimator, in which
networks share what they have in common. Both compute in float32 with TF32 off.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from archsieve import PROXIES, SPACES, Context
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.networks.building import as_inputs, build_network, laid_out
from archsieve.networks.supernets import build_supernet
from archsieve.runs.arithmetic import Arithmetic
from archsieve.spaces.contract import draw_distinct
from device_parts.run import seconds_of, synchronize
from device_parts.tasks import pictures

if TYPE_CHECKING:
    from collections.abc import Callable

    from device_parts.run import Part

VOTE = ("l2_norm", "nwot", "zen")
SEED = 0
ALL = 3969  # distinct networks of the space
COMPILING = 15.0  # seconds that a small network takes to compile


def run(part: Part) -> None:
    """Write the ratio, the share of the peak, what the card waits for, and what would gain."""
    setting = part.setting
    small = {"stem_width": 4, "widths": (6, 8), "stages": (2, 2), "head_width": 8}
    space = SPACES["nasbench-macro"](**(small if setting.tiny else {}))
    task = pictures(setting)
    archs = draw_distinct(space, min(setting.vote_networks, 60 if setting.tiny else 10_000), np.random.default_rng(1))
    members = [ZeroCost(name, batch_size=setting.vote_batch) for name in VOTE]
    ctx = Context(space, task, Path("unused"), SEED, setting.device)

    def ours(some: list[Any]) -> None:
        members[0].score_group(members, some, ctx)

    def plain(some: list[Any]) -> None:
        for arch in some:
            for member in members:
                network = laid_out(build_network(space, arch, task, SEED), setting.device)
                PROXIES[member.proxy](network, member._probe(ctx))

    with Arithmetic().applied(setting.device):
        few = archs[: setting.plain_networks]
        ours(few)
        plain(few[:1])
        taken = seconds_of(lambda: ours(archs), setting.device)
        one = seconds_of(lambda: plain(few), setting.device) / len(few)
        part.tell(
            "vote",
            networks=len(archs),
            ours_seconds=taken,
            plain_seconds=one * len(archs),
            plain_timed_on=len(few),
            ratio=one * len(archs) / taken,
        )
        part.tell("hours: the vote over all of NAS-Bench-Macro", hours=taken / len(archs) * ALL / 3600, distinct=ALL)
        part.check()
        quarter = archs[: len(archs) // 4]  # to count takes several times as long
        share_of_peak(part, lambda: ours(quarter), seconds_of(lambda: ours(quarter), setting.device))
        part.check()
        waits(part, lambda: ours(few), seconds_of(lambda: ours(few), setting.device))
    part.check()
    gains(part, space, task, archs[0])


def share_of_peak(part: Part, scores: Callable[[], None], seconds: float) -> None:
    """Write the operations a second beside those of one large product of matrices."""
    with FlopCounterMode(display=False) as counter:
        scores()
    side = 512 if part.setting.tiny else 8192
    peak = {}
    for name, arithmetic in (("float32", Arithmetic()), ("tf32", Arithmetic(tf32=True))):
        with arithmetic.applied(part.setting.device):
            a = torch.randn(side, side, device=part.setting.device)
            _ = a @ a
            peak[name] = 5 * 2 * side**3 / seconds_of(lambda a=a: [a @ a for _ in range(5)], part.setting.device)  # type: ignore[misc]
    done = counter.get_total_flops() / seconds
    part.tell(
        "share of the peak",
        tflops=done / 1e12,
        peak_float32=peak["float32"] / 1e12,
        peak_tf32=peak["tf32"] / 1e12,
        share=done / peak["float32"],
    )


def waits(part: Part, scores: Callable[[], None], seconds: float) -> None:
    """Write how much of the time kernels run, how many there are, and how long copies take."""
    from torch.profiler import ProfilerActivity, profile

    on_card = torch.device(part.setting.device).type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_card else ProfilerActivity.CPU]) as profiler:
        scores()
        synchronize(part.setting.device)
    events = profiler.key_averages()
    if not on_card:
        part.tell("what is waited for", why="no card: operations of the CPU", operations=sum(e.count for e in events))
        return
    kernels = [e for e in events if e.self_device_time_total > 0]
    busy = sum(e.self_device_time_total for e in kernels) / 1e6
    copies = [e for e in kernels if "memcpy" in e.key.lower()]
    part.tell(
        "what is waited for",
        seconds=seconds,
        kernels_seconds=busy,
        card_is_busy=busy / seconds,
        launches=sum(e.count for e in kernels),
        microseconds_a_launch=1e6 * seconds / max(1, sum(e.count for e in kernels)),
        copies=sum(e.count for e in copies),
        copies_seconds=sum(e.self_device_time_total for e in copies) / 1e6,
    )


def gains(part: Part, space: Any, task: Any, arch: Any) -> None:
    """Write what several paths a step, CUDA graphs and `torch.compile` gain."""
    setting = part.setting
    several_paths(part, space, task)
    on_card = torch.device(setting.device).type == "cuda"
    if not on_card:
        part.tell("CUDA graphs", why=f"not on {setting.device}")
        part.tell("torch.compile", why=f"not tried on {setting.device}")
        return
    network = laid_out(build_network(space, arch, task, SEED), setting.device).eval()
    inputs = as_inputs(torch.randn(setting.vote_batch, *task.input_shape, device=setting.device))
    with torch.no_grad():
        eager = _mean(lambda: network(inputs), setting.device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            network(inputs)
        replayed = _mean(graph.replay, setting.device)
        part.tell("CUDA graphs", what_is_run="one forward pass", eager=eager, graph=replayed, ratio=eager / replayed)
        if part.left < COMPILING:
            part.tell("torch.compile", why=f"{part.left:.0f} s are left, and compiling takes about {COMPILING:.0f}")
            return
        compiled, begun = torch.compile(network), time.perf_counter()
        compiled(inputs)
        synchronize(setting.device)
        compiling = time.perf_counter() - begun
        after = _mean(lambda: compiled(inputs), setting.device)
    networks = compiling / max(eager - after, 1e-9)
    part.tell(
        "torch.compile", eager=eager, compiled=after, compiling=compiling, ratio=eager / after, pays_after=networks
    )


def several_paths(part: Part, space: Any, task: Any) -> None:
    """Write the seconds of a path where a step has one, and where it has as many as a decision has options."""
    setting = part.setting
    supernet = laid_out(build_supernet(space, task, SEED), setting.device)
    inputs, targets = next(iter(task.batches("train", batch_size=setting.vote_batch, device=setting.device)))
    inputs = as_inputs(inputs)
    found = {}
    for sampling in ("uniform", "fair"):
        sample, rng = OneShot(sampling=sampling)._sampler(space), np.random.default_rng(SEED)  # type: ignore[arg-type]
        optimiser, count = torch.optim.SGD(supernet.parameters(), lr=1e-6), 0

        def step(sample: Any = sample, rng: Any = rng, optimiser: Any = optimiser) -> None:
            nonlocal count
            optimiser.zero_grad()
            for arch in sample(space, rng):
                task.loss(supernet(inputs, arch), targets).backward()
                count += 1
            optimiser.step()

        for _ in range(setting.warm_up):  # the first of each path loads its kernels
            step()
        count = 0
        seconds = seconds_of(lambda: [step() for _ in range(setting.steps)], setting.device)
        found[f"{sampling}_seconds_a_path"] = seconds / count
    ratio = found["uniform_seconds_a_path"] / found["fair_seconds_a_path"]
    part.tell("several paths a step", **found, ratio=ratio)


def _mean(function: Callable[[], Any], device: str, times: int = 50) -> float:
    for _ in range(3):
        function()
    return seconds_of(lambda: [function() for _ in range(times)], device) / times
