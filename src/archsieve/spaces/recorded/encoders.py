"""What spaces of transformers with a number of like layers share: the form of their codes and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from archsieve.spaces.recorded.contract import RecordedSpace, option_of
from archsieve.spaces.text import not_an_architecture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.spaces.contract import Architecture


class EncoderSpace(RecordedSpace):
    """Encoders with a hidden size, a number of layers, and the same decisions in each layer.

    A code gives the place of the hidden size and of the number of layers among their options, and then the decisions
    of each layer. Layers that an encoder lacks are zeros. As text it is the hidden size, a colon, and the layers with
    commas between them; the decisions of a layer have hyphens between them.
    """

    hidden: ClassVar[tuple[int, ...]]
    """Options of the hidden size."""
    depths: ClassVar[tuple[int, ...]]
    """Options of the number of layers, ascending."""
    layer: ClassVar[tuple[tuple[Any, ...], ...]]
    """Options of each decision of a layer; only those of the first may have a hyphen in their text."""
    example: ClassVar[str]
    """A text to write, for messages."""

    @property
    def choices(self) -> tuple[int, ...]:
        """Hidden size, number of layers, and the decisions of each layer."""
        return (len(self.hidden), len(self.depths), *tuple(map(len, self.layer)) * self.depths[-1])

    def is_valid(self, arch: Architecture) -> bool:
        """Whether the decisions of absent layers are zeros."""
        return not any(arch[2 + len(self.layer) * self.depths[arch[1]] :])

    def describe(self, arch: Architecture) -> str:
        """Return the hidden size and the layers."""
        return f"{self.hidden[arch[0]]}:{','.join(self.layers_of(arch))}"

    def layers_of(self, arch: Architecture) -> tuple[str, ...]:
        """Return the text of each layer."""
        count = len(self.layer)
        places = (arch[2 + count * i : 2 + count * (i + 1)] for i in range(self.depths[arch[1]]))
        return tuple("-".join(str(o[p]) for o, p in zip(self.layer, layer, strict=True)) for layer in places)

    def parse(self, text: str) -> Architecture:
        """Return the code of a text from `describe`, or of digits.

        Raises:
            ArchitectureError: `text` is neither.
        """
        hidden, colon, layers = text.strip().partition(":")
        if not colon:
            return super().parse(text)
        try:
            parts = [each.rsplit("-", len(self.layer) - 1) for each in layers.split(",")]
            kinds = [type(options[0]) for options in self.layer]
            read = [[kind(part) for kind, part in zip(kinds, each, strict=True)] for each in parts]
            return self.code(int(hidden), read)
        except ValueError as error:
            raise not_an_architecture(text, self.name, f"write one like {self.example}") from error

    def code(self, hidden: int, layers: Sequence[Sequence[Any]]) -> Architecture:
        """Return the code of a hidden size and of the decisions of each layer.

        Raises:
            ValueError: one of them is no option.
        """
        decisions = [option_of(o, d) for layer in layers for o, d in zip(self.layer, layer, strict=True)]
        missing = [0] * (len(self.layer) * (self.depths[-1] - len(layers)))
        return (option_of(self.hidden, hidden), option_of(self.depths, len(layers)), *decisions, *missing)
