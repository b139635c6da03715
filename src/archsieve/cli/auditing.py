"""The command that audits a finished search."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import Annotated, Any

import typer

from archsieve.cli import printing as console
from archsieve.cli.options import (
    AllowCommands,
    Device,
    Durable,
    Json,
    OnRay,
    Plugins,
    Recompute,
    Repair,
    Workers,
    WorkerTimeout,
    load,
    offers_tables,
    shared_by_all,
)
from archsieve.errors import RunFolderError
from archsieve.judging.audit import audit
from archsieve.plans.named_code import commands_allowed
from archsieve.plans.read import load_plan
from archsieve.runs.folder import PLAN_FILE, RESULTS_FILE
from archsieve.runs.session import Session


def audit_run(
    run: Annotated[Path, typer.Argument(help="Folder of a finished search.")],
    networks: Annotated[
        int, typer.Option(min=1, help="Number of networks to draw from those that the stages removed.")
    ] = 12,
    device: Device = "cpu",
    workers: Workers = 1,
    worker_timeout: WorkerTimeout = None,
    ray: OnRay = False,
    recompute: Recompute = False,
    repair: Repair = False,
    durable: Durable = False,
    plugin: Plugins = None,
    allow_commands: AllowCommands = False,
    as_json: Json = False,
) -> None:
    """Audit a search: score a random sample of the networks that it removed, and report what it lost and where."""
    again = ["archsieve", "audit", str(run), "--networks", str(networks)] + ["--durable"] * durable
    again += [word for name in plugin or [] for word in ("--plugin", name)]
    again += ["--allow-commands"] * allow_commands
    with console.guarded(run, shlex.join(again)), ExitStack() as stack:
        plugins = load(plugin)
        for name in (PLAN_FILE, RESULTS_FILE):
            if not (run / name).is_file():
                raise RunFolderError(f"There is no {name} in {run}: give the folder of a finished `archsieve search`.")
        with commands_allowed(allow_commands):
            plan = load_plan(run / PLAN_FILE, plugins)
        if not recompute:
            offers_tables(device, plan.space, plan.seed)
        shared: dict[str, Any] = shared_by_all(
            stack, workers, ray, recompute, worker_timeout, repair=repair, durable=durable
        )
        shared |= {"seed": plan.seed, "device": device, "plugins": plugins}
        session = stack.enter_context(Session(run, plan.space, plan.task, **shared))
        found = audit(plan, session, networks)
        stack.close()
        if as_json:
            console.out_json(found)
            return
        console.audit(console.plain(found))
