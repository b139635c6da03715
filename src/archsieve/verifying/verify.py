"""Verification of figures against their card: recomputed in whole or in part, and compared."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsieve.benchmarks.contract import table_of
from archsieve.errors import DataError, SettingError
from archsieve.judging.metrics import kendall_tau
from archsieve.registry import BENCHMARKS, TASKS
from archsieve.runs.folder import RESULTS_FILE
from archsieve.runs.provenance import provenance
from archsieve.verifying.cards import Card, check_file, find_card, read_card
from archsieve.verifying.comparison import Comparison, compare, tolerance_of
from archsieve.verifying.outputs import digest_of_output, figures_of_page, marks_of, output_again, page_again, page_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from archsieve.verifying.scores import Figures

PART = 0.05
"""The fraction that is computed again by default."""


@dataclass(frozen=True)
class Verification(Comparison):
    """A card, and the result of recomputing its figures.

    Attributes:
        card: its name.
        kind: of the card.
        processor: recorded, empty where nobody noted it.
        here: this one.
        tolerance: greatest relative deviation; 0 on the recorded processor with the recorded libraries.
        notes: sentences on what could not be computed.
        seconds: that it took.
    """

    card: str = ""
    kind: str = ""
    processor: str = ""
    here: str = ""
    tolerance: float = 0.0
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def verify(
    name: str,
    folder: Path | None = None,
    *,
    fraction: float = PART,
    plugins: Collection[str] = (),
    runs_scripts: bool = False,
    progress: Callable[[str, int, int], None] = lambda label, done, total: None,
) -> Verification:
    """Recompute figures and compare them with the recorded ones.

    Args:
        name: of a card, or its path.
        folder: of a run, in place of a card.
        fraction: of the figures, in (0, 1].
        plugins: modules that the plan of a run may name.
        runs_scripts: run the script that the card of a page names.
        progress: called with (label, done, total).

    Raises:
        SettingError: the fraction is out of range, or the card names a command that it may not.
        UnknownNameError: there is no such card.
        DataError: the card or its file is damaged, or the file is not the one of the card.
    """
    if not 0 < fraction <= 1:
        raise SettingError(f"`0 < fraction <= 1` must hold, but got fraction={fraction}.")
    begun = time.perf_counter()
    card, figures, notes = _again(name, folder, fraction, plugins, runs_scripts, progress)
    made = provenance()
    tolerance = tolerance_of(card.versions, card.processor, made.versions, made.processor)
    comparison = compare(figures, tolerance)
    return Verification(
        **vars(comparison),
        card=card.name,
        kind=card.kind,
        processor=card.processor,
        here=made.processor,
        tolerance=tolerance,
        notes=tuple(notes),
        seconds=round(time.perf_counter() - begun, 1),
    )


def is_run(path: Path) -> bool:
    """Whether a path is the folder of a run."""
    return (path / RESULTS_FILE).is_file()


def _again(
    name: str,
    folder: Path | None,
    fraction: float,
    plugins: Collection[str],
    runs_scripts: bool,
    progress: Callable[[str, int, int], None],
) -> tuple[Card, Any, Any]:
    if folder is not None:
        from archsieve.verifying.stored import card_of_run, stored_again

        card = card_of_run(folder)
        return card, *stored_again(card, fraction, progress, plugins)
    card = read_card(find_card(name))
    if card.kind == "output":
        digest = digest_of_output(card.content.get("output"))
    elif card.kind == "page":
        digest = digest_of_output(figures_of_page(page_of(card), marks_of(card)))
    else:
        check_file(card)
        digest = card.sha256
    if digest != card.sha256:
        raise DataError(f"The figures of the card {card.path} are not those that it was made with: their hash differs.")
    return card, *_of_kind(card, fraction, runs_scripts, progress)


def _of_kind(card: Card, fraction: float, runs_scripts: bool, progress: Callable[[str, int, int], None]) -> Figures:
    if card.kind == "output":
        return output_again(card)
    if card.kind == "page":
        return page_again(card, runs_scripts=runs_scripts)
    if card.kind == "surrogate":
        return _surrogate_again(card)
    if card.kind == "trainings":
        from archsieve.verifying.trainings import trainings_again

        return trainings_again(card, fraction, progress)
    from archsieve.verifying.scores import scores_again

    return scores_again(card, fraction, progress)


def _surrogate_again(card: Card) -> Figures:
    """Return recomputed comparison figures of the fitted model: how well sizes rank its training cells."""
    benchmark = BENCHMARKS["nasbench301-published-proxies"]
    table, task = table_of(benchmark), TASKS[benchmark.task]()
    recorded = card.content.get("baseline_tau", {})
    figures = []
    for size in ("params", "macs"):
        values = [getattr(benchmark.space, size)(arch, task) for arch in table.archs]
        tau = round(kendall_tau(values, table.columns[str(benchmark.truth)]), 4)
        figures.append((f"tau of {size}", recorded.get(size), tau))
    return figures, [f"The model itself is fitted by {card.command!r}, which takes a checkout: not run."]
