"""Commands that list the available names and data files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from archsieve.benchmarks.contract import completed_benchmark
from archsieve.cli import printing as console
from archsieve.cli.options import Json, Plugins, load
from archsieve.plans.plan_files import about_plans, plan_names
from archsieve.registry import BENCHMARKS, ESTIMATORS, PROXIES, SEARCHERS, SPACES, TASKS
from archsieve.retraining.recipe_files import recipe_names
from archsieve.runs.score_tables import shipped

CATALOGUES = {
    "spaces": SPACES,
    "tasks": TASKS,
    "benchmarks": BENCHMARKS,
    "proxies": PROXIES,
    "estimators": ESTIMATORS,
    "searchers": SEARCHERS,
}


def list_names(
    kind: Annotated[
        str | None, typer.Argument(help=f"Only one kind: {', '.join(CATALOGUES)}, plans, recipes or tables.")
    ] = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """List the names of all spaces, tasks, proxies, estimators, searchers, plans and more."""
    with console.guarded():
        load(plugin)
        names = {k: list(catalogue) for k, catalogue in CATALOGUES.items()} | {"plans": plan_names()}
        names["recipes"] = recipe_names()
        names["tables"] = [table.name for table in shipped()]
        if kind is not None and kind not in names:
            raise typer.BadParameter(f"{kind!r} is not one of {', '.join(names)}.")
        chosen = names if kind is None else {kind: names[kind]}
        if as_json:
            console.out_json(chosen)
            return
        if kind == "plans":
            for name, about in about_plans().items():
                console.out(f"{name}: {about}.")
            return
        for title, entries in chosen.items():
            console.out(f"{title}: {', '.join(entries)}")


def data(
    check: Annotated[
        bool, typer.Option("--check", help="Compare the hash of every file with the recorded one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the data files that archsieve can use: which are present, and where to get the others."""
    with console.guarded():
        rows = [
            {"used_by": name, "file": s.file, "state": s.state(check=check), "licence": s.licence}
            | {"origin": s.origin, "citation": s.citation, "path": str(s.find() or ""), "sha256": s.sha256}
            for name, s in _sources()
        ]
        if as_json:
            console.out_json(rows)
        else:
            for row in rows:
                console.out(f"{row['file']}: {row['state']}  (for {row['used_by']}; licence: {row['licence']})")
                if row["path"]:
                    console.out(f"    {row['path']}")
                console.out(f"    from {row['origin']}")
                console.out(f"    SHA-256: {row['sha256'] or 'none recorded, its bytes depend on who makes it'}")
        if check and any(row["state"] == "differs" for row in rows):
            console.note(
                "A file differs from the version that archsieve knows. See its state above, and download it again."
            )
            raise typer.Exit(1)


def _sources() -> list[tuple[str, Any]]:
    """Return each source once, with the names of everything that uses it."""
    benchmarks = [(name, completed_benchmark(BENCHMARKS[name]).source) for name in BENCHMARKS]
    tasks = [(name, source) for name in TASKS for source in getattr(TASKS[name], "sources", ())]  # of the class
    users: dict[Any, list[str]] = {}
    for name, source in benchmarks + tasks:
        if source is not None:
            users.setdefault(source, []).append(name)
    return [(", ".join(names), source) for source, names in users.items()]
