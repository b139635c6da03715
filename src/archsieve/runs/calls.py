"""One call for scores: its pool, the known scores, and the codes that scores are stored by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from archsieve.runs.keys import tells_codes_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.runs.keys import Keys
    from archsieve.runs.requests import Requests
    from archsieve.runs.store import Key
    from archsieve.spaces.contract import Architecture, SearchSpace


class Canonical:
    """Cache of the canonical codes of a call's lists, shared by all estimators."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._lists: dict[int, tuple[Sequence[Architecture], list[Architecture]]] = {}
        self._sets: dict[int, tuple[Sequence[Architecture], frozenset[Architecture]]] = {}

    def __call__(self, archs: Sequence[Architecture]) -> list[Architecture]:
        """Return the canonical codes of a list, which must not change during the call."""
        if id(archs) not in self._lists:  # the list is kept with them, so that no other gets its id
            self._lists[id(archs)] = archs, list(map(self._space.canonical, archs))
        return self._lists[id(archs)][1]

    def distinct(self, codes: Sequence[Architecture]) -> frozenset[Architecture]:
        """Return the set of canonical codes of a list, which must not change during the call."""
        if id(codes) not in self._sets:
            self._sets[id(codes)] = codes, frozenset(codes)
        return self._sets[id(codes)][1]


class Call(NamedTuple):
    """One call for scores.

    Attributes:
        pool: the codes to score.
        known: the scores that are known, by key and code; calls nested in it share this.
        requests: what is asked for; that of a nested call is what an estimator learns from.
        canonical: returns the canonical codes of its pool, or of a calibration sample.
        keys: the estimators asked so far, with the keys of their scores, by `id`: their settings are read once a call.
    """

    pool: Sequence[Architecture]
    known: dict[Key, dict[Architecture, float]]
    requests: Requests
    canonical: Canonical
    keys: dict[int, tuple[Any, Key]]

    def view(self, key: Key) -> dict[Architecture, float]:
        """Return the known scores of a key as a dictionary that the caller may extend."""
        return self.known.setdefault(key, {})

    def key(self, leaf: Any, keys: Keys) -> Key:
        """Return the key of an estimator's scores; the pool is part of it if the estimator learns from the pool."""
        if id(leaf) not in self.keys:  # the estimator is kept with its key, so that no other gets its id
            self.keys[id(leaf)] = leaf, keys.key(leaf, self.pool)
        return self.keys[id(leaf)][1]

    def codes(self, leaf: Any, archs: Sequence[Architecture]) -> Sequence[Architecture]:
        """Return the codes that an estimator's scores are stored by; see `Keys.code`."""
        return archs if tells_codes_apart(leaf) else self.canonical(archs)
