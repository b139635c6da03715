"""The command line: every command ends in one sentence or a result, never in a traceback."""

from typing import Annotated

import typer

from archsieve.cli import printing as console
from archsieve.cli.catalogue import data, list_names
from archsieve.cli.designing import design_funnel
from archsieve.cli.judging import judge_scores, measure, study
from archsieve.cli.own_network import score_model
from archsieve.cli.scoring import score
from archsieve.cli.searching import report, search
from archsieve.cli.training import train
from archsieve.runs.provenance import provenance

app = typer.Typer(
    name="archsieve",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Neural architecture search as a funnel of performance estimators.",
)
app.command("list")(list_names)
app.command()(score)
app.command("score-model")(score_model)
app.command()(measure)
app.command("judge")(judge_scores)
app.command()(study)
app.command("design")(design_funnel)
app.command()(search)
app.command()(report)
app.command()(train)
app.command()(data)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        console.out(f"archsieve {provenance().versions.get('archsieve', 'of an unknown version')}")
        raise typer.Exit


@app.callback()
def _options(
    is_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and stop.")
    ] = False,
) -> None:
    """Neural architecture search as a funnel of performance estimators."""


def main() -> None:
    """Run the command line."""
    app()
