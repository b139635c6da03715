"""A user's own model as a space: its decisions are found by running its constructor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from archsieve.errors import ArchitectureError, SettingError
from archsieve.fingerprints import FrozenDict, frozen
from archsieve.spaces.choices import notation
from archsieve.spaces.choices.exploration import Decision, Explored, climb, explore
from archsieve.spaces.choices.factory import arguments_for, check_arguments, found_by, names_argument
from archsieve.spaces.choices.forward_check import check_forward
from archsieve.spaces.choices.options import options_of
from archsieve.spaces.choices.output import with_output
from archsieve.spaces.choices.player import player_of
from archsieve.spaces.choices.recorded import as_text, from_text
from archsieve.spaces.contract import Picture, SearchSpace
from archsieve.spaces.form import Form, form_of
from archsieve.spaces.steering import Drawn
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from archsieve.spaces.choices.player import Player, Trail
    from archsieve.spaces.choices.replay import Ask
    from archsieve.spaces.contract import Architecture
    from archsieve.spaces.steering import Weights
    from archsieve.tasks.contract import Task

_ATTEMPTS = 1000  # draws before a space is declared too tight: each may run the constructor
_LOCAL = ("_player",)  # stays in this process


@dataclass(frozen=True)
class OwnSpace(SearchSpace):
    """The networks that a user's own class or function makes; `space_of` returns one.

    A code has a digit for every decision that was ever met: the place of a label among all that were offered there. It
    is 0 in a canonical code where the network does not ask. The networks are the user's own, and plain PyTorch.

    Args:
        factory: "module:name" of a class or function that returns a network. The module is imported: name only code
            you trust.
        vary: options of the factory's arguments, by the argument: a list, or a mapping of labels to values.
        version: raise it when a change of the code changes networks and no decision, as a change of `forward` does.
        explore: random runs in a row that bring nothing new before the search for decisions ends.
        weights: "fresh" draws all initial weights by the seed; "given" starts each training from those that the factory
            gives, such as those of a checkpoint that it reads.
        shape: of an input, told to a factory that names `input_shape` while decisions are looked for; empty tries
            3x32x32, 3x128 and 16.
        output: which output is meant where the networks return several: a name, or a place such as "0". None: `logits`,
            else the first.
    """

    name: ClassVar[str] = "own"  # type: ignore[misc]

    factory: str = field(metadata={"code": True})
    vary: Mapping[str, Any] = field(default_factory=FrozenDict)
    version: int = 1
    explore: int = 30
    weights: Literal["fresh", "given"] = "fresh"
    shape: tuple[int, ...] = ()
    output: str | None = None

    def __post_init__(self) -> None:
        """Check the settings, except what running the factory shows."""
        object.__setattr__(self, "vary", frozen(self.vary))
        object.__setattr__(self, "shape", tuple(self.shape))
        check_whole("version", self.version, 1)
        check_whole("explore", self.explore, 1)
        if self.weights not in ("fresh", "given"):
            raise SettingError(f"`weights` must be 'fresh' or 'given', but got {self.weights!r}.")
        if self.output is not None and (not isinstance(self.output, str) or not self.output):
            raise SettingError(f"`output` must be the name or place of an output as text, but got {self.output!r}.")
        if not isinstance(self.vary, Mapping):
            raise SettingError(
                f"`vary` must give the options of each argument by its name, but got {self.vary!r:.200}."
            )
        for name, options in self.vary.items():
            options_of(name, options)

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings and the exploration results, so that workers need not explore again."""
        return {name: value for name, value in vars(self).items() if name not in _LOCAL}

    def identity(self) -> dict[str, Any]:
        """Return what identifies the space: factory, version, decisions, and the layers of two networks."""
        explored = self.explored
        return {
            "type": type(self).__name__,
            "version": self.version,
            "factory": self.factory,
            "decisions": [{"name": d.name, "options": list(d.options)} for d in explored.decisions],
            **({"weights": self.weights} if self.weights != "fresh" else {}),
            **({"output": self.output} if self.output is not None else {}),
            "choices": self.choices,
            "digest_of_layers": explored.layers,
        }

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions in the order of a code's digits; empty if the factory has none."""
        return self.explored.decisions

    @property
    def choices(self) -> tuple[int, ...]:
        """Number of labels offered for each decision; (1,) if there are no decisions."""
        return tuple(len(decision.options) for decision in self.decisions) or (1,)

    @property
    def is_costly_to_list(self) -> bool:
        """True: checking a code runs the constructor."""
        return True

    @property
    def is_told_shape(self) -> bool:
        """Whether the factory gets the shape of an input, on which its decisions may depend."""
        factory = found_by(self.factory)
        return any(names_argument(factory, name) and name not in self.vary for name in ("input_shape", "task"))

    @property
    def keeps_weights(self) -> bool:
        """Whether training starts from the factory's own weights."""
        return self.weights == "given"

    @cached_property
    def explored(self) -> Explored:
        """The exploration results, computed once per process and once per run folder."""
        known = self._player.explored
        if self.explore not in known:
            known[self.explore] = explore(self._player, self.explore, Form(self.shape, 10) if self.shape else None)
        found: Explored = known[self.explore]
        return found

    @property
    def recorded(self) -> str:
        """The exploration results as text for `recall`."""
        return as_text(self.explored, self._settings(), found_by(self.factory))

    def recall(self, text: str) -> bool:
        """Use the `recorded` text of an earlier process instead of exploring again.

        Return whether it is of these settings and of this code; else it is left alone.
        """
        explored = from_text(text, self._settings(), found_by(self.factory), self._player)
        if explored is not None:
            self._player.explored.setdefault(self.explore, explored)
        return explored is not None

    def _settings(self) -> str:
        """Return the settings that exploration depends on."""
        return repr((self.factory, sorted((n, str(o)) for n, o in self.vary.items()), self.explore, self.shape))

    @cached_property
    def _player(self) -> Player:
        factory = found_by(self.factory)
        check_arguments(self.factory, factory, self.vary)
        return player_of(self.factory, factory, self.vary, self.shape)

    @cached_property
    def _places(self) -> dict[str, int]:
        """The digit index of each decision, by name."""
        named = ((d.name, i) for i, d in enumerate(self.decisions))
        return {name if name in self.vary else self.explored.prefix + name: i for name, i in named}

    @property
    def default(self) -> Architecture:
        """The code of the model outside a search."""
        return self._drawn(lambda ask: ask.default)

    def climbed(self, *, to_most: bool) -> Architecture:
        """Return the largest (smallest) network by parameters that single changes reach; it need not be the extreme."""
        answers = climb(self._player, self.explored, self._places, to_most=to_most)
        return self._code({self._places[name]: label for name, label in answers})

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the network that the user's constructor makes.

        Raises:
            ArchitectureError: an option of the code is not offered where it is chosen.
            SettingError: the constructor asks for a decision that was not met before, or the network asks for one.
            Exception: whatever the constructor raises.
        """
        if (form := form_of(task)) not in self._player.checked:
            check_forward(lambda: self._built(arch, task), task)
            self._player.checked.add(form)
        return self._built(arch, task)

    def _built(self, arch: Architecture, task: Task) -> nn.Module:
        from archsieve.networks.building import in_float32

        network = in_float32(self.as_written(arch, task))
        return network if self.output is None else with_output(network, self.factory, self.output)

    def as_written(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the network as the user's constructor makes it, with all outputs; raises as `build`."""
        trail, network = self._player.build(self._by(arch), task)
        if trail.refused is not None:
            raise ArchitectureError(self._why_not(arch, trail))
        return network

    def told(self, arch: Architecture, task: Task) -> tuple[list[tuple[str, int]], dict[str, Any]]:
        """Return the answers to a network's constructor, as name and option index, and its arguments."""
        trail, _ = self._player.build(self._by(arch), task)
        asked = [(ask, ask.labels.index(label)) for ask, label in trail.asks]
        arguments = arguments_for(found_by(self.factory), task, self.vary)
        arguments |= {ask.name: self._player.vary[ask.name].values[i] for ask, i in asked if ask.name in self.vary}
        return [(ask.own, place) for ask, place in asked if ask.name not in self.vary], arguments

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the code with 0 for unused decisions."""
        asked = {self._place(ask) for ask in self._trail(arch).asked}
        return tuple(option if i in asked else 0 for i, option in enumerate(arch))

    def is_valid(self, arch: Architecture) -> bool:
        """Whether all chosen options are offered, and the constructor makes a network of them."""
        return self._trail(arch).is_whole

    def describe(self, arch: Architecture) -> str:
        """Return the used decisions, as "width=16, Block0.kernel=3", and unused ones with an option other than 0."""
        if not self.decisions:
            return self.factory
        return notation.write(self.decisions, arch, [self._place(ask) for ask in self._trail(arch).asked])

    def picture(self, arch: Architecture) -> Picture:
        """Return a block for each used decision."""
        return Picture(blocks=tuple(self.describe(arch).split(", ")))

    def parse(self, text: str) -> Architecture:
        """Return the code of a text from `describe`, or of digits; an omitted decision has its default.

        Raises:
            ArchitectureError: there is no such decision or option, it is written twice, or not offered here.
        """
        if text.strip() == self.factory and not self.decisions:
            return (0,)
        if "=" not in text:
            return super().parse(text)
        stated = notation.read(self.decisions, text)

        def pick(ask: Ask) -> str | None:
            label = stated.get(self._place(ask), ask.default)
            return label if label in ask.labels else None

        trail = self._player.trail(pick, self.explored.form)
        labels = {**stated, **{self._place(ask): label for ask, label in trail.asks}}
        arch = tuple(d.options.index(labels[i]) if i in labels else 0 for i, d in enumerate(self.decisions))
        if not trail.is_whole:
            raise ArchitectureError(self._why_not(arch, trail))
        return arch

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Return a random canonical code; every decision is drawn uniformly among the options offered.

        Networks are therefore not equally likely: of one to three blocks with options of their own, a third has one.

        Raises:
            ArchitectureError: the constructor made no network in 1,000 draws.
        """
        return self._drawn(lambda ask: ask.drawn(rng))

    def draw_weighted(self, weights: Weights, rng: np.random.Generator) -> Drawn:
        """Return a random code like `sample`, with given weights for the options; raises as `sample`."""
        ratios: list[float] = []

        def pick(ask: Ask) -> str:
            place = self._place(ask)
            share = np.array([weights[place][self.decisions[place].options.index(label)] for label in ask.labels])
            share /= share.sum()
            option = int(rng.choice(len(share), p=share))
            ratios.append(-math.log(len(share) * share[option]))
            return ask.labels[option]

        trail = self._whole(pick, ratios.clear)
        labels = {self._place(ask): label for ask, label in trail.asks}
        return Drawn(self._code(labels), tuple(labels), math.fsum(ratios))

    def _drawn(self, pick: Callable[[Ask], str]) -> Architecture:
        return self._code({self._place(ask): label for ask, label in self._whole(pick).asks})

    def _whole(self, pick: Callable[[Ask], str], begin: Callable[[], None] | None = None) -> Trail:
        """Return a complete trail of a network, drawn by `pick`; `begin` is called before each try."""
        failure = ""
        for _ in range(_ATTEMPTS):
            if begin is not None:
                begin()
            trail = self._player.trail(pick, self.explored.form)
            if trail.is_whole:
                return trail
            failure = trail.failure
        raise ArchitectureError(f"{self.factory} made no network in {_ATTEMPTS} draws; the last: {failure}.")

    def mutate(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a valid code that differs in exactly one used decision, drawn uniformly.

        Where there is none, one decision is changed, and others that no longer fit are drawn anew.

        Raises:
            ArchitectureError: nothing to mutate to.
        """
        by_asked = [
            (self._place(ask), self.decisions[self._place(ask)].options.index(other))
            for ask, label in self._trail(arch).asks
            for other in ask.labels
            if other != label
        ]
        moves = [by_asked[i] for i in rng.permutation(len(by_asked))]
        for place, option in moves:
            mutant = (*arch[:place], option, *arch[place + 1 :])
            if self.is_valid(mutant):
                return mutant
        for place, option in moves:
            mutant = self._repaired((*arch[:place], option, *arch[place + 1 :]), rng)
            if mutant != self.canonical(arch):
                return mutant
        raise ArchitectureError(
            f"{self.describe(arch)!r} has no valid neighbour in {self.name}, so it cannot be mutated."
        )

    def _repaired(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a valid code with options that are not offered redrawn."""
        by_code = self._by(arch)
        return self._drawn(lambda ask: by_code(ask) or ask.drawn(rng))

    def _trail(self, arch: Architecture) -> Trail:
        return self._player.trail(self._by(arch), self.explored.form)

    def _by(self, arch: Architecture) -> Callable[[Ask], str | None]:
        """Return a function that answers decisions by a code."""

        def pick(ask: Ask) -> str | None:
            place = self._place(ask)
            if place >= len(arch):
                return None
            label = self.decisions[place].options[arch[place]]
            return label if label in ask.labels else None

        return pick

    def _place(self, ask: Ask) -> int:
        """Return the digit index of a decision.

        Raises:
            SettingError: it, or an option of it, was not met while the space was explored.
        """
        place = self._places.get(ask.name)
        if place is None or not set(ask.labels) <= set(self.decisions[place].options):
            raise SettingError(
                notation.not_met(
                    ask,
                    self.factory,
                    self.explored.runs,
                    self.explore,
                    is_new=place is None,
                    needs_shape=not self.shape and self.is_told_shape,
                )
            )
        return place

    def _code(self, labels: Mapping[int, str]) -> Architecture:
        return tuple(d.options.index(labels[i]) if i in labels else 0 for i, d in enumerate(self.decisions)) or (0,)

    def _why_not(self, arch: Sequence[int], trail: Trail) -> str:
        if trail.refused is None:
            return f"{self.factory} makes no network of {self.describe(tuple(arch))!r}: {trail.failure}."
        place = self._place(trail.refused)
        return notation.not_offered(self.decisions[place], arch[place], trail.refused)
