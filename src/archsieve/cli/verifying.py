"""The command that recomputes the figures of a card and compares them with the recorded ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsieve.cli import printing as console
from archsieve.cli.options import Json, Plugins, load
from archsieve.cli.progress import progress
from archsieve.verifying.comparison import WIDER
from archsieve.verifying.verify import PART, Verification, is_run
from archsieve.verifying.verify import verify as verify_card

if TYPE_CHECKING:
    from collections.abc import Sequence


def verify(
    card: Annotated[str, typer.Argument(help="Name or file of a card, or the folder of a run.")],
    fraction: Annotated[float, typer.Option(help="Share of the figures to recompute.")] = PART,
    run_scripts: Annotated[
        bool,
        typer.Option(
            "--run-scripts", help="Run the script that the card names. Use it only in a checkout that you trust."
        ),
    ] = False,
    plugin: Plugins = None,
    as_json: Json = False,
) -> None:
    """Recompute the figures of a card, in part or in full, and report whether they agree within the tolerance."""
    with console.guarded():
        plugins, folder = load(plugin), Path(card) if is_run(Path(card)) else None
        with progress() as bar:
            verification = verify_card(
                card, folder, fraction=fraction, plugins=plugins, runs_scripts=run_scripts, progress=bar
            )
        if as_json:
            console.out_json(verification)
        else:
            for line in _sentences(verification):
                console.out(line)
        if verification.outside:
            raise typer.Exit(1)


def _sentences(found: Verification) -> Sequence[str]:
    where = f"this processor, {found.here}" if found.processor == found.here else f"{found.here or 'this processor'}"
    other = "" if found.processor == found.here else f"; recorded on {found.processor or 'a processor nobody noted'}"
    rule = "equal to the last bit" if found.tolerance == 0 else f"a relative deviation of at most {found.tolerance:g}"
    if found.wider:
        rule += f", {', '.join(f'{WIDER[name]:g} of {name}' for name in found.wider)}"
    if not found.compared:
        verdict = "nothing was computed again; the file is the one of its card"
    elif found.outside:
        verdict = f"{found.outside:,} OUTSIDE the tolerance, the worst by {found.worst:.3g}"
    else:
        verdict = f"all within the tolerance; {found.equal:,} equal to the last bit, the worst off by {found.worst:.3g}"
    lines = [f"{found.card}: {found.compared:,} figures computed again in {found.seconds:.1f} s: {verdict}."]
    lines.append(f"Tolerance: {rule} (on {where}{other}).")
    lines += [
        f"  {d.what}: recorded {d.recorded}, computed {d.computed} (relative deviation {d.relative:.3g})"
        for d in found.deviations
    ]
    return [*lines, *found.notes]
