"""Options of a search in recorded values, from a registered benchmark or a user's file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from archsieve._checksums import with_checksum_line
from archsieve._files import write_text
from archsieve.cli import printing as console
from archsieve.errors import SettingError
from archsieve.plans.contract import estimators_of
from archsieve.plans.foreign import Served, served_by
from archsieve.plans.recorded import recorded_networks
from archsieve.plans.write import plan_text
from archsieve.runs.folder import PLAN_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from archsieve.plans.contract import Plan

Benchmark = Annotated[
    str | None,
    typer.Option(help="Use recorded values of this benchmark (or CSV or parquet file) instead of training."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        help="KEY=COLUMN[:EPOCHS]: the column of --benchmark that replaces KEY, and the epochs it cost. KEY is the "
        "label of a stage, the name of an estimator or of a looked-up column, or final. Repeatable.",
    ),
]
Notation = Annotated[
    str,
    typer.Option(help="Order of edges and operations of codes in brackets in the file: own or naslib."),
]


def answered(
    plan: Plan,
    benchmark: str | None,
    columns: Sequence[str] | None,
    *,
    truth: str | None,
    codes: str,
    notation: str,
) -> Served | None:
    """Print which estimators still train, and return the plan with recorded values; None if no benchmark is named.

    Raises:
        SettingError: columns are named without a benchmark.
    """
    if benchmark is None:
        if columns or truth or codes or notation:
            raise SettingError(
                "--column, --truth, --codes and --notation need --benchmark: name the table or the file with it."
            )
        return None
    served = served_by(plan, benchmark, columns or (), truth=truth, codes=codes, notation=notation)
    if served.training:
        names = ", ".join(map(repr, served.training))
        console.note(
            f"These train on the items of {plan.task.name}, since no column answers them: {names}. To answer one: "
            f"--column KEY=COLUMN:EPOCHS."
        )
    listed = recorded_networks(plan.space, estimators_of(served.plan))
    if listed is not None:
        console.note(
            f"The table has values of {len(listed):,} networks of {plan.space.name}, and the search draws among these."
        )
    if served.truth is None:
        console.note("No column is named as the truth, so that the winner has no rank: --truth COLUMN.")
    return served


def keep_served(served: Served, path: Path, folder: Path) -> None:
    """Store the plan as it was run in the run folder, so that an audit finds it."""
    text = plan_text(served.plan, [f"{path.name}, answered by {served.benchmark.name}"])
    write_text(folder / PLAN_FILE, with_checksum_line(text))
