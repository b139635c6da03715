"""Finding the decisions of a factory by running it: the defaults, every option separately, and random runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from archsieve.errors import SettingError
from archsieve.networks.form import Input
from archsieve.randomness import generator
from archsieve.spaces.choices.deepening import by_labels, deepest
from archsieve.spaces.choices.player import flags_of, layers_of
from archsieve.spaces.form import Form

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.random import Generator
    from torch import nn

    from archsieve.spaces.choices.deepening import Answers
    from archsieve.spaces.choices.player import Played, Player
    from archsieve.spaces.choices.replay import Ask

_FORMS = (Form((3, 32, 32), 10), Form((3, 128), 10), Form((16,), 10), Form((32,), 10, (Input((32,), tokens=100),)))
"""What a factory gets that asks for its inputs' shape before a task is known: pictures, series, numbers, tokens."""
_SEEDS = 6  # random states under which the default must stay the same: two missed a coin half the time
_THOROUGH = 1000  # runs after which only new decisions of a network are varied, and no longer all


@dataclass(frozen=True)
class Decision:
    """One decision of a space: its name, the labels of all options, and whether they are modules."""

    name: str
    options: tuple[str, ...]
    is_module: bool


@dataclass(frozen=True)
class Explored:
    """The result of exploring a factory.

    Attributes:
        decisions: in the order in which they were met.
        form: the stand-in for a task with which the factory was run.
        prefix: the part that the names of all decisions inside the network begin with, which is left out of them.
        layers: a digest of the default and the largest network met.
        runs: how often the factory was run.
        least: parameters of the smallest network met, and its answers.
        most: of the largest.
    """

    decisions: tuple[Decision, ...]
    form: Form
    prefix: str
    layers: str
    runs: int
    least: tuple[int, tuple[tuple[str, str], ...]]
    most: tuple[int, tuple[tuple[str, str], ...]]


class _Size(NamedTuple):
    """A network that exploration met: parameter count, answers, and a digest of its layers."""

    params: int
    answers: tuple[tuple[str, str], ...]
    layers: str


class _Explorer:
    def __init__(self, player: Player, form: Form, rng: Generator) -> None:
        self._player, self._form, self._rng = player, form, rng
        self.decisions: dict[str, dict[str, None]] = {}
        self.modules: set[str] = set()
        self.failures: dict[tuple[str, str], str] = {}  # of options that no network was built with yet
        self.built: set[tuple[str, str]] = set()
        self.before: dict[tuple[str, str], dict[str, str]] = {}  # the answers after which an option was first offered
        self.longest: Answers = ()
        self.least: _Size | None = None
        self.most: _Size | None = None
        self.runs = 0

    def play(self, fixed: Mapping[str, str], *, at_random: bool = False, seed: int = 0) -> tuple[Played, bool]:
        """Run the factory with fixed answers where offered, else defaults or random ones; return whether it is new."""

        def pick(ask: Ask) -> str:
            if fixed.get(ask.name) in ask.labels:
                return fixed[ask.name]
            return ask.drawn(self._rng) if at_random else ask.default

        played = self._player.play(pick, self._form, seed)
        self.runs += 1
        return played, self._take(played)

    def _take(self, played: Played) -> bool:
        """Record the decisions of a run, and return whether anything is new."""
        before = self.runs, sum(map(len, self.decisions.values())), len(self.built)
        answers = [(ask.name, label) for ask, label in played.trail.asks]
        for place, (ask, label) in enumerate(played.trail.asks):
            for offered in ask.labels:
                if (ask.name, offered) not in self.before:
                    self.before[ask.name, offered] = dict(answers[:place])
            self.decisions.setdefault(ask.name, {}).update(dict.fromkeys(ask.labels))
            self.modules |= {ask.name} if ask.is_module else set()
            if played.trail.failure:
                self.failures.setdefault((ask.name, label), played.trail.failure)
            else:
                self.built.add((ask.name, label))
        if played.network is not None:
            self.longest = max(self.longest, played.trail.asks, key=len)
            self._measure(played.network, played.trail.asks)
        return before[1:] != (sum(map(len, self.decisions.values())), len(self.built))

    def _measure(self, network: nn.Module, asks: Sequence[tuple[Ask, str]]) -> None:
        params = _params_of(network)
        if self.least is None or params < self.least.params or self.most is None or params > self.most.params:
            size = _Size(params, tuple((ask.name, label) for ask, label in asks), digest_of(layers_of(network)))
            self.least = size if self.least is None or params < self.least.params else self.least
            self.most = size if self.most is None or params > self.most.params else self.most

    def vary_each(self) -> None:
        """Run every option of every decision separately, around the defaults and each network with new decisions."""
        waiting: list[dict[str, str]] = [{}]
        tried: set[frozenset[tuple[str, str]]] = {frozenset()}
        while waiting:
            base = waiting.pop(0)
            known = {name for fixed in tried for name, _ in fixed}
            asks = self._player.trail(by_labels(base), self._form).asks
            for ask, label in asks:
                if self.runs > _THOROUGH and ask.name in known:
                    continue
                for other in ask.labels:
                    fixed = {**base, ask.name: other}
                    if other == label or frozenset(fixed.items()) in tried:
                        continue
                    tried.add(frozenset(fixed.items()))
                    before = len(self.decisions)
                    _, is_new = self.play(fixed)
                    if is_new and (len(self.decisions) > before or base):
                        waiting.append(fixed)

    def deepen(self) -> None:
        """Run every option of the network with the most decisions, where not met before."""
        answers = deepest(self._player, self._form, self.longest)
        is_met = all(self.decisions.get(a.name, {}).keys() >= set(a.labels) for a, _ in answers)
        if is_met:
            return  # nothing is recorded, so that the identity of the space is as if nobody had looked
        fixed = {ask.name: label for ask, label in answers}
        unmet = [ask for ask, _ in answers if ask.name not in self.decisions]
        self.play(fixed)
        for ask in unmet:
            for other in ask.labels:
                self.play({**fixed, ask.name: other})

    def at_random(self, patience: int) -> None:
        """Run at random until a number of consecutive runs brings nothing new."""
        stale = 0
        while stale < patience:
            stale = 0 if self.play({}, at_random=True)[1] else stale + 1

    def check_built(self, patience: int) -> None:
        """Check that every option was part of a network, by random runs and targeted runs.

        Raises:
            SettingError: one never was; says why.
        """
        for name, labels in self.decisions.items():
            for label in labels:
                rare = self.before[name, label]
                for number in range(2 * patience):
                    if (name, label) in self.built:
                        break
                    self.play({**(rare if number >= patience else {}), name: label}, at_random=True)
                else:
                    why = self.failures.get((name, label), "it was never offered where the rest allowed it")
                    raise SettingError(
                        f"{self._player.name} made no network with {name}={label} in {2 * patience} tries: "
                        f"{why}. Remove the "
                        f"option, or make it possible."
                    )


def explore(player: Player, patience: int, form: Form | None = None) -> Explored:
    """Return the decisions of a factory.

    Args:
        player: runs the factory.
        patience: random runs in a row that bring nothing new before the search for decisions ends.
        form: what the factory is told of a task; None tries pictures, series, numbers and tokens.

    Raises:
        SettingError: the factory fails with its defaults, or with an option whatever else is chosen, or its network
            depends on random draws.
    """
    form, first = _first_run(player, (form,) if form else _FORMS)
    explorer = _Explorer(player, form, generator(0, "sample", "explore"))
    if first.trail.failure or first.network is None:
        raise SettingError(f"{player.name} makes no network with its defaults: {first.trail.failure}.")
    _check_repeatable(explorer, player.name, first)
    explorer.vary_each()
    if explorer.decisions:
        explorer.deepen()
        explorer.at_random(patience)
        explorer.check_built(patience)
    if explorer.least is None or explorer.most is None:
        raise SettingError(f"{player.name} made no network.")
    prefix = _common_prefix([name for name in explorer.decisions if name not in player.vary], player)
    return Explored(
        tuple(Decision(n.removeprefix(prefix), tuple(o), n in explorer.modules) for n, o in explorer.decisions.items()),
        form,
        prefix,
        digest_of([digest_of(layers_of(first.network)), explorer.most.layers]),
        explorer.runs,
        explorer.least[:2],
        explorer.most[:2],
    )


def climb(player: Player, explored: Explored, known: Collection[str], *, to_most: bool) -> tuple[tuple[str, str], ...]:
    """Return the answers of the largest (smallest) network that single changes reach from the largest (smallest) met.

    Only `known` decisions come up in it.
    """
    sign = 1 if to_most else -1
    params, answers = explored.most if to_most else explored.least
    is_better = True
    while is_better:
        is_better = False
        trail = player.trail(by_labels(dict(answers)), explored.form)
        for ask, label in trail.asks:
            for other in ask.labels:
                played = player.play(by_labels({**dict(answers), ask.name: other}), explored.form)
                if label == other or played.network is None or any(a.name not in known for a, _ in played.trail.asks):
                    continue
                if sign * (_params_of(played.network) - params) <= 0:
                    continue
                params, is_better = _params_of(played.network), True
                answers = tuple((ask.name, label) for ask, label in played.trail.asks)
    return answers


def _first_run(player: Player, forms: Sequence[Form]) -> tuple[Form, Played]:
    """Return the first stand-in task for which the factory makes a network, else the first of all, with the run.

    It is the very first: what a factory keeps from it shows in the next one.
    """
    runs = []
    for form in forms:
        runs.append(player.play(lambda ask: ask.default, form))
        if not runs[-1].trail.failure:
            return form, runs[-1]
    return forms[0], runs[0]


def _check_repeatable(explorer: _Explorer, name: str, first: Played) -> None:
    """Check that the default network is the same under several random states, and another object each time.

    Raises:
        SettingError: it is not.
    """
    shown = _shown(first)
    for seed in range(_SEEDS):
        again, _ = explorer.play({}, seed=seed)
        if (other := _shown(again)) != shown:
            this, that = next(((a, b) for a, b in zip(shown, other, strict=False) if a != b), (shown[-1], other[-1]))
            raise SettingError(
                f"{name} draws at random, or keeps parts of an earlier run: with the same choices it made two "
                f"different networks ({_short(this, that)} and {_short(that, this)}). Make what it draws a choice, or "
                f"an argument with a fixed value."
            )
        if kept := _in_both(first.network, again.network):
            raise SettingError(
                f"{name} returns networks that share {kept}, so that training one would change the next. Make it in "
                f"the function each time, or return a copy, e.g. copy.deepcopy(...)."
            )


def _in_both(network: nn.Module | None, other: nn.Module | None) -> str:
    """Return the name of a parameter that two networks share; empty if there is none."""
    if network is None or other is None:
        return ""
    here = {id(p): name for name, p in network.named_parameters()}
    return next((here[id(p)] for p in other.parameters() if id(p) in here), "")


def _shown(played: Played) -> list[str]:
    asks = [f"{ask.name} of {', '.join(ask.labels)}" for ask, _ in played.trail.asks]
    return asks + ([] if played.network is None else layers_of(played.network) + flags_of(played.network))


def _short(text: str, other: str) -> str:
    """Return the first line in which a text differs from another, shortened."""
    lines = text.splitlines()
    line = next((line for line in lines if line not in other.splitlines()), lines[0] if lines else "nothing")
    return line.strip()[:80]


def _common_prefix(names: Sequence[str], player: Player) -> str:
    """Return the common name prefix such as "Net0." if a function makes a single outer network."""
    first = names[0].partition(".")[0] if names and "." in names[0] else ""
    prefix = f"{first}."
    is_one = bool(first) and "=" not in first and all(name.startswith(prefix) for name in names)
    inner = {name.removeprefix(prefix) for name in names}
    return prefix if is_one and inner.isdisjoint(player.vary) else ""


def _params_of(network: nn.Module) -> int:
    from torch.nn.parameter import is_lazy

    return sum(p.numel() for p in network.parameters() if not is_lazy(p))


def digest_of(lines: Sequence[str]) -> str:
    """Return a digest of lines, such as a description of a network's layers."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
