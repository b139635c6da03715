"""Codes of own spaces as text: "width=16, Block0.kernel=3"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.errors import ArchitectureError
from archsieve.registry import listed, near_miss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.spaces.choices.exploration import Decision
    from archsieve.spaces.choices.replay import Ask


def write(decisions: Sequence[Decision], arch: Sequence[int], asked: Sequence[int]) -> str:
    """Return the decisions in the order asked, then unused ones with an option other than 0."""
    idle = [place for place, option in enumerate(arch) if option and place not in set(asked)]
    return ", ".join(f"{decisions[i].name}={decisions[i].options[arch[i]]}" for i in (*asked, *idle))


def read(decisions: Sequence[Decision], text: str) -> dict[int, str]:
    """Return the labels in a text by the index of their decision.

    Raises:
        ArchitectureError: there is no such decision or option, or it is written twice.
    """
    places = {decision.name: place for place, decision in enumerate(decisions)}
    labels: dict[int, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, label = (word.strip() for word in part.rpartition("="))
        if not equals or name not in places:
            raise ArchitectureError(f"There is no decision {(name or part)!r}.{near_miss(name or part, places)}")
        place = places[name]
        if label not in decisions[place].options:
            raise ArchitectureError(
                f"The decision {name!r} has no option {label!r}: it is one of {listed(decisions[place].options)}."
            )
        if labels.setdefault(place, label) != label:
            raise ArchitectureError(f"The decision {name!r} is written twice, as {labels[place]} and as {label}.")
    return labels


def not_met(ask: Ask, factory: str, runs: int, patience: int, *, is_new: bool, needs_shape: bool) -> str:
    """Return the error sentence on a decision or option that exploration did not find.

    `needs_shape` says that the factory is told the shape of an input, and was told a stand-in for it.
    """
    other = ", give the space the `shape` of an input, on which it may depend," if needs_shape else ""
    what = "was" if is_new else f"offers {', '.join(ask.labels)}, of which some were"
    return (
        f"The decision {ask.name!r} of {factory} {what} not met while its decisions were looked for, in {runs} runs: "
        f"raise `explore` (here {patience}){other} or ask for it always."
    )


def not_offered(decision: Decision, option: int, ask: Ask) -> str:
    """Return the error sentence on an option that is chosen but not offered there."""
    return (
        f"{decision.name}={decision.options[option]} is not offered together with what is chosen before it: there it "
        f"is one of {', '.join(ask.labels)}."
    )
