"""Search for the network with the most decisions, to find decisions that few networks have."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from archsieve.spaces.choices.player import Player
    from archsieve.spaces.choices.replay import Ask, Pick
    from archsieve.spaces.form import Form

Answers: TypeAlias = "tuple[tuple[Ask, str], ...]"
"""What a network asked, in order, each with the label of the answer."""

_VAIN = 12  # changes of decisions of one name that brought no further question before the others are passed over


def by_labels(fixed: Mapping[str, str]) -> Pick:
    """Return a function that answers by fixed labels where they are offered, else by the default."""
    return lambda ask: fixed[ask.name] if fixed.get(ask.name) in ask.labels else ask.default


def deepest(player: Player, form: Form, start: Answers) -> Answers:
    """Return the decisions of the network reached from `start` by single changes that each add decisions.

    A decision is known by the name that the verb was given: where a dozen changes of such decisions brought nothing,
    as of kernels, the rest of that name are not tried.
    """
    vain: Counter[str] = Counter()
    best, is_better = start, True
    while is_better:
        is_better = False
        for ask, label in best:
            for other in ask.labels if vain[ask.own] < _VAIN else ():
                if other == label:
                    continue
                trail = player.trail(by_labels({a.name: chosen for a, chosen in best} | {ask.name: other}), form)
                if trail.is_whole and len(trail.asks) > len(best):
                    best, is_better = trail.asks, True
                    vain[ask.own] = 0
                    break
                vain[ask.own] += len(trail.asks) == len(best)
            if is_better:
                break
    return best
