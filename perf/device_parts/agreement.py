"""Part (b): scores on the device against those of the CPU, proxy by proxy, with TF32 off and on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve import PROXIES, SPACES, Context
from archsieve.errors import PartialScoringError
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.judging.metrics import spearman
from archsieve.runs.arithmetic import Arithmetic
from archsieve.runs.executors import Processes, Serial
from archsieve.spaces.contract import draw_distinct
from device_parts.run import os_cores
from device_parts.tasks import noise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from device_parts.run import Part
    from device_parts.setting import Setting

MODES = {"tf32_off": Arithmetic(), "tf32_on": Arithmetic(tf32=True)}


def spaces(setting: Setting) -> dict[str, tuple[Any, Any]]:
    """Return four spaces and their inputs; AttentiveNAS at small resolutions, for the CPU's sake."""
    few = noise((3, 16, 16) if setting.tiny else (3, 32, 32), 64)
    if setting.tiny:
        return {
            "nasbench201": (SPACES["nasbench201"](width=4, cells=1), few),
            "nasbench-macro": (SPACES["nasbench-macro"](stem_width=4, widths=(6,), stages=(2,), head_width=8), few),
            "darts": (SPACES["darts"](width=4, layers=3), few),
            "attentivenas": (SPACES["attentivenas"](resolutions=(32, 48, 64, 96)), few),
        }
    return {
        "nasbench201": (SPACES["nasbench201"](), few),
        "nasbench-macro": (SPACES["nasbench-macro"](), few),
        "darts": (SPACES["darts"](width=16), few),
        "attentivenas": (SPACES["attentivenas"](resolutions=(64, 80, 96, 128)), few),
    }


def proxies(setting: Setting) -> list[str]:
    """Return the names; a few of each kind in the tiny form."""
    return ["l2_norm", "nwot", "zen", "snip", "jacov", "synflow"] if setting.tiny else list(PROXIES)


def run(part: Part) -> None:
    """Write a line for each space and proxy, and one for each proxy over all spaces; the CPU works meanwhile."""
    setting, worst = part.setting, {}  # type: ignore[var-annotated]
    cores = max(1, len(os_cores()) - 1)
    executor: Any = Processes(min(setting.workers, cores)) if setting.workers else Serial()
    members = [ZeroCost(proxy, batch_size=setting.proxy_batch) for proxy in proxies(setting)]
    work = {name: (*pair, drawn(name, pair[0], setting)) for name, pair in spaces(setting).items()}
    longest = max(len(archs) for _, _, archs in work.values())
    items = [(name, i) for i in range(longest) for name, (_, _, archs) in work.items() if i < len(archs)]
    here: dict[tuple[str, int], NDArray[np.float64]] = {}

    def score_here() -> None:
        here.update(executor.map(partial(on_cpu, members, work), items))  # one by one, as they come

    # In other processes, while the device works: in this one the generators would be shared.
    thread = ThreadPoolExecutor(1)
    waiting = thread.submit(score_here) if setting.workers else None
    try:
        there = on_device(part, members, work)
        if waiting is None:
            score_here()
        else:
            with suppress(TimeoutError):
                waiting.result(timeout=max(1.0, part.left))
    finally:
        thread.shutdown(wait=False)
    for name, (_, _, archs) in work.items():
        ready = {mode: there[name, mode] for mode in MODES if there[name, mode] is not None}
        scored_here = [i for i in range(len(archs)) if (name, i) in here]
        if not ready or not scored_here:
            part.tell(name, why="there was no time to score it", device=list(ready), cpu=len(scored_here))
            continue
        columns = np.stack([here[name, i] for i in scored_here])
        for k, member in enumerate(members):
            found = {mode: compared(scored[scored_here, k], columns[:, k]) for mode, scored in ready.items()}
            worst.setdefault(member.name, []).append(found)
            part.tell(f"{name} {member.name}", networks=len(scored_here), **_flat(found))
    for name, found in worst.items():
        most = {}
        for mode in MODES:
            of_mode = [f[mode] for f in found if mode in f]
            most[mode] = greatest(f[0] for f in of_mode), least(f[1] for f in of_mode), 0
        part.tell(f"worst of all {name}", **_flat(most))


def on_device(part: Part, members: list[ZeroCost], work: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Return the scores by space and mode; None where the time was over."""
    found: dict[tuple[str, str], Any] = {}
    for mode, arithmetic in MODES.items():
        for name, (space, task, archs) in work.items():
            ctx = Context(space, task, Path("unused"), 0, part.setting.device)
            with arithmetic.applied(part.setting.device):
                found[name, mode] = scores(members, ctx, archs) if part.left > 0 else None
    return found


def drawn(name: str, space: Any, setting: Setting) -> list[Any]:
    """Return the networks of a space; one of AttentiveNAS in the tiny form, where each takes seconds."""
    count = 1 if setting.tiny and name == "attentivenas" else setting.networks
    return draw_distinct(space, count, np.random.default_rng(1))


def greatest(values: Iterable[float]) -> float:
    """Return the greatest number; NaN if there is none."""
    return max((value for value in values if value == value), default=float("nan"))


def least(values: Iterable[float]) -> float:
    """Return the least number; NaN if there is none."""
    return -greatest(-value for value in values)


def on_cpu(members: list[ZeroCost], work: dict[str, Any], item: tuple[str, int]) -> tuple[Any, NDArray[np.float64]]:
    """Return what was asked for, and the scores of one network on the CPU."""
    space, task, archs = work[item[0]]
    return item, scores(members, Context(space, task, Path("unused")), [archs[item[1]]])[0]


def scores(members: list[ZeroCost], ctx: Context, archs: list[Any]) -> NDArray[np.float64]:
    """Return the scores (n, k); NaN where there is none."""
    try:
        return np.asarray(members[0].score_group(members, archs, ctx))
    except PartialScoringError as error:
        return error.scores


def compared(there: NDArray[np.float64], here: NDArray[np.float64]) -> tuple[float, float, int]:
    """Return the greatest relative difference, Spearman, and how many have a score in one place only."""
    both = np.isfinite(there) & np.isfinite(here)
    odd = int((np.isfinite(there) != np.isfinite(here)).sum())
    if not both.any():
        return float("nan"), float("nan"), odd
    a, b = there[both], here[both]
    difference = float((np.abs(a - b) / np.maximum(np.abs(b), 1e-12)).max())
    return difference, spearman(a, b) if len(np.unique(b)) > 1 and len(np.unique(a)) > 1 else float("nan"), odd


def _flat(found: dict[str, tuple[float, float, int]]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for mode, (difference, rho, odd) in found.items():
        flat |= {f"{mode}_difference": difference, f"{mode}_spearman": rho}
        if odd:
            flat[f"{mode}_scored_in_one_place"] = odd
    return flat
