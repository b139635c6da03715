"""Part (g): partial training of eight networks, one after the other and side by side on one card, in processes."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve import SPACES, Session
from archsieve.estimators.partial_training import PartialTraining
from archsieve.runs.executors import Processes, Serial
from archsieve.spaces.contract import draw_distinct
from device_parts.tasks import pictures

if TYPE_CHECKING:
    from device_parts.run import Part

COUNT = 8
STARTING = 8.0  # seconds that the processes take to open the card


def run(part: Part) -> None:
    """Write the seconds of both, and whether the scores are equal."""
    setting = part.setting
    small = {"stem_width": 4, "widths": (6, 8), "stages": (2, 2), "head_width": 8}
    space, task = SPACES["nasbench-macro"](**(small if setting.tiny else {})), pictures(setting)
    archs = draw_distinct(space, COUNT if not setting.tiny else 3, np.random.default_rng(2))
    share = 0.5 if setting.tiny else 0.05
    estimator = PartialTraining(epochs=1, batch_size=64 if not setting.tiny else 8, fraction_of_data=share)
    alone, one_by_one = scored(space, task, setting.device, estimator, archs, Serial())
    part.tell("one by one", networks=len(archs), share_of_an_epoch=share, seconds=one_by_one)
    part.check()
    if not setting.workers:
        part.tell("side by side", why="this setting has no workers")
        return
    for workers in (COUNT, COUNT // 2):
        if part.left < STARTING:
            break
        with Processes(workers) as executor:
            list(executor.map(_touch, [setting.device] * workers * 2))  # imports torch and opens the card
            beside, seconds = scored(space, task, setting.device, estimator, archs, executor)
        equal = bool(np.array_equal(alone, beside))
        part.tell("side by side", processes=workers, seconds=seconds, ratio=one_by_one / seconds, scores_equal=equal)


def scored(space: Any, task: Any, device: str, estimator: Any, archs: list[Any], executor: Any) -> tuple[Any, float]:
    """Return the scores of a new session, and its seconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(folder, space, task, device=device, executor=executor, tables=()) as session,
    ):
        begun = time.perf_counter()
        found = session.scores([estimator], archs)
        return found, time.perf_counter() - begun


def _touch(device: str) -> float:
    import torch

    found = float(torch.ones(1, device=device))
    time.sleep(0.5)  # so that every worker gets one
    return found
