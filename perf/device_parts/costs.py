"""Part (h): latency and memory of networks on the device, each measured twice, beside their multiply-adds."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve import SPACES, Session
from archsieve.estimators.measured.latency import Latency
from archsieve.estimators.measured.memory import Memory
from archsieve.judging.metrics import kendall_tau
from archsieve.spaces.contract import draw_distinct
from device_parts.tasks import noise

if TYPE_CHECKING:
    from device_parts.run import Part

BATCHES = (1, 256)
QUICK = {"rounds": 3, "seconds": 0.002, "tries": 1}  # of the tiny form


def run(part: Part) -> None:
    """Write a line for each space and batch size: how well two measurements agree, and how many were refused."""
    setting = part.setting
    small = {"nasbench201": {"width": 4, "cells": 1}, "nasbench-macro": {"widths": (6,), "stages": (2,)}}
    task = noise((3, 32, 32), 2)
    for name, settings in small.items():
        space = SPACES[name](**(settings if setting.tiny else {}))
        archs = draw_distinct(space, min(3 * setting.networks, 12), np.random.default_rng(4))
        for batch in BATCHES[: 1 if setting.tiny else None]:
            part.check()
            part.tell(f"{name} batch {batch}", **measured(space, task, archs, batch, setting))


def measured(space: Any, task: Any, archs: list[Any], batch: int, setting: Any) -> dict[str, Any]:
    """Return what two measurements of each network give."""
    quick = QUICK if setting.tiny else {}
    twice = [Latency(batch=batch, repeat=repeat, **quick) for repeat in range(2)]  # type: ignore[arg-type]
    memory = Memory(batch=batch)
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(folder, space, task, device=setting.device, tables=()) as session,
    ):
        first, second, megabytes = -session.scores([*twice, memory], archs).T
        again = -session.scores([memory], archs[::-1])[::-1, 0]
        reasons = list(session.failures(twice[0], archs).values())[:1]
    macs = np.array([space.macs(arch, task) for arch in archs], dtype=float)
    both = np.isfinite(first) & np.isfinite(second)
    told = {
        "networks": len(archs),
        "refused": int(np.isnan(first).sum() + np.isnan(second).sum()),
        "of": 2 * len(archs),
    }
    told |= {"refused_because": reasons[0]} if reasons else {}
    if both.sum() > 1:
        least, most = np.minimum(first, second)[both], np.maximum(first, second)[both]
        told |= {
            "ms_from": float(least.min()),
            "ms_to": float(most.max()),
            "tau_of_repeats": kendall_tau(first[both], second[both]),
            "greatest_difference": float((most / least - 1).max()),
            "tau_with_macs": kendall_tau(first[both], macs[both]),
        }
    return told | {
        "memory_mb_from": float(np.nanmin(megabytes)),
        "memory_mb_to": float(np.nanmax(megabytes)),
        "memory_repeats": bool(np.array_equal(megabytes, again, equal_nan=True)),
    }
