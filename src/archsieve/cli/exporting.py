"""The command that exports a found network."""

from __future__ import annotations

import shlex
from pathlib import Path  # noqa: TC003 - typer reads annotations
from typing import Annotated

import typer

from archsieve.cli import printing as console
from archsieve.cli.options import Json, Plugins, load
from archsieve.errors import SettingError
from archsieve.export.run import FORMATS, export_run
from archsieve.plans.front import rank_under


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished search.")],
    to: Annotated[Path, typer.Option("--to", help="Folder to write to. It must be new or empty.")],
    rank: Annotated[
        int, typer.Option(min=1, help="Which network: 1 is the winner, k the k-th best of the last stage.")
    ] = 1,
    under: Annotated[
        str | None,
        typer.Option(
            help="Best network (of objectives: by the first) within a bound, e.g. 8ms; needs objectives or a limit."
        ),
    ] = None,
    form: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")] = "plain",
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the network, from `archsieve train`. (default: those of the run)")
    ] = None,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Export a network of a finished search: source code, torch.export program, ONNX and weights."""
    words = ["archsieve", "export", str(run), "--to", str(to), "--rank", str(rank), "--format", form]
    words += [word for name in plugin or [] for word in ("--plugin", name)]
    words += [] if under is None else ["--under", under]
    words += [] if weights is None else ["--weights", str(weights)]
    with console.guarded():
        plugins = load(plugin)
        if under is not None and rank != 1:
            raise SettingError(f"--under chooses the network, and --rank {rank} another one: give one of them.")
        if under is not None:
            rank = rank_under(run, under)
        name = next((known for known in FORMATS if known == form), None)
        if name is None:
            raise SettingError(f"--format must be one of {', '.join(FORMATS)}, but is {form!r}.")
        done = export_run(run, to, rank=rank, form=name, weights=weights, plugins=plugins, command=shlex.join(words))
        for text in done.notes:
            console.note(text)
        if as_json:
            console.out_json(done)
            return
        console.out(f"{done.folder}: {', '.join(done.files)}")
        console.out(done.weights)
        for file, differences in done.differences.items():
            greatest = max(differences.values())
            console.out(f"{file}: greatest difference to the network of the search {greatest:.3g}")
