"""The command that makes a plan for a budget of time, without a pilot."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archsieve import cli
from archsieve._files import replace_file, writing
from archsieve.cli import printing as console
from archsieve.cli.lines import duration
from archsieve.cli.options import (
    Changes,
    Device,
    Json,
    Plugins,
    Recompute,
    Seed,
    TaskName,
    Workers,
    load,
    space_and_task,
)
from archsieve.design.annotated import annotated
from archsieve.design.budget import FEATURES, FORMS, plan_for, seconds_of, total_seconds
from archsieve.errors import SettingError, require
from archsieve.plans.contract import forecast, unit
from archsieve.plans.parts import make
from archsieve.plans.read import load_plan
from archsieve.plans.write import plan_text
from archsieve.spaces.limits import Limits
from archsieve.spaces.within import Within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.design.budget import Form
    from archsieve.plans.contract import StageForecast


@dataclass(frozen=True)
class PlanReport:
    """The report of `archsieve plan`: stages with hours, the budget, and the measured seconds.

    `hours` are those of the stages and of `seconds_of_start`: of the command, of the data, of the space's decisions.
    """

    out: str
    stages: Sequence[StageForecast]
    budget_hours: float
    hours: float
    seconds_of_features: dict[str, float]
    seconds_of_epoch: float
    seconds_of_start: float = 0.0


def make_plan(
    space: Annotated[str, typer.Argument(help="Name of the space.")],
    budget: Annotated[str, typer.Option(help="Wall-clock time, e.g. 8h, 90m or 2d.")],
    out: Annotated[Path, typer.Option(help="Write the designed plan to this file.")],
    task: TaskName = None,
    max_macs: Annotated[float | None, typer.Option(help="Only networks with at most this many multiply-adds.")] = None,
    max_params: Annotated[float | None, typer.Option(help="Only networks with at most this many parameters.")] = None,
    min_macs: Annotated[float | None, typer.Option(help="Only networks with at least this many multiply-adds.")] = None,
    min_params: Annotated[float | None, typer.Option(help="Only networks with at least this many parameters.")] = None,
    form: Annotated[
        str, typer.Option(help="Form of the plan: auto (guided or funnel, by the timing), guided, funnel or supernet.")
    ] = "auto",
    change: Changes = None,
    seed: Seed = 0,
    device: Device = "cpu",
    workers: Workers = 1,
    recompute: Recompute = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Make a plan for a time budget, from the time that a few networks take on this device."""
    with console.guarded():
        require("torch", "torch")
        seconds = seconds_of(budget)
        chosen_form = _form(form)
        plugins = load(plugin)
        if device != "cpu":
            from archsieve.networks.building import check_device

            check_device(device)
        the_space, chosen = space_and_task(space, task, change, plugins)
        the_task: Any = make("task", chosen or the_space.default_task, plugins)
        bounds = {"max_macs": max_macs, "max_params": max_params, "min_macs": min_macs, "min_params": min_params}
        given = {name: value for name, value in bounds.items() if value is not None}
        searched = Within(the_space, the_task, Limits(**given)) if given else the_space
        console.note(f"Timing {', '.join(FEATURES)} and a training on {device} ...")
        settings: dict[str, Any] = {"device": device, "workers": workers, "tables": not recompute}
        settings |= {"form": chosen_form, "began": cli.began()}
        found = plan_for(searched, the_task, seconds, seed=seed, **settings)
        rows = [replace(row, hours=hour) for row, hour in zip(forecast(found.plan), found.hours, strict=True)]
        taken = total_seconds(found.hours) + found.timing.start
        _write(out, found.plan, found.reasons, f"{budget} on {device}, workers: {workers}", taken)
        load_plan(out, plugins)
        if as_json:
            timing = found.timing
            measured = timing.features, timing.epoch, timing.start
            console.out_json(PlanReport(str(out), rows, seconds / 3600, taken / 3600, *measured))
            return
        console.forecast(rows, as_json=False, unit=str(unit(found.plan)), timed=f"{device}, workers: {workers}")
        start = f", with {found.timing.start:.0f} seconds of the start" if found.timing.start >= 1 else ""
        console.out(f"Budget: {duration(seconds)}; the plan takes about {taken / seconds:.0%} of it{start}.")
        again = ["archsieve", "search", str(out)] + ([] if device == "cpu" else ["--device", device])
        again += [] if workers == 1 else ["--workers", str(workers)]
        again += [word for name in plugin or [] for word in ("--plugin", name)]
        console.out(f"\nPlan: {out}. Run it: {shlex.join(again)}")


def _form(name: str) -> Form | None:
    """Return the requested form of a plan; None means automatic choice.

    Raises:
        SettingError: there is no such form.
    """
    if name != "auto" and name not in FORMS:
        raise SettingError(f"`--form` is one of auto, {', '.join(FORMS)}, but got {name!r}.")
    return next((form for form in FORMS if form == name), None)


def _write(out: Path, plan: Any, reasons: Sequence[tuple[str, str]], where: str, seconds: float) -> None:
    comments = [f"Made by `archsieve plan` for {where}; forecast: {seconds / 3600:.3g} hours."]
    with writing(out), replace_file(out) as temporary:
        temporary.write_text(annotated(plan_text(plan, comments), reasons), encoding="utf-8")
