"""A user's space and tasks on token ids and on two inputs, as a file named by --plugin has them."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from archsieve import SPACES, TASKS, Input, SearchSpace
from archsieve.tasks.classification import Accuracy

TOKENS, LENGTH, CLASSES = 11, 6, 3


@TASKS.register("toy-words")
@dataclass(frozen=True)
class Words:
    """Sentences whose class is the size of their mean token."""

    items: int = 48
    name: ClassVar[str] = "toy-words"
    input_shape: ClassVar[tuple[int, ...]] = (LENGTH,)
    inputs: ClassVar[tuple[Input, ...]] = (Input((LENGTH,), tokens=TOKENS),)
    num_outputs: ClassVar[int] = CLASSES
    higher_is_better: ClassVar[bool] = True

    def count(self, split):
        return self.items

    def given(self, tokens):
        return tokens

    def batches(self, split, *, batch_size, rng=None, augment=False, device="cpu"):
        generator = torch.Generator().manual_seed(len(split))
        tokens = torch.randint(TOKENS, (self.items, LENGTH), generator=generator)
        order = torch.arange(self.items) if rng is None else torch.from_numpy(rng.permutation(self.items))
        for places in order.split(batch_size):
            part = tokens[places].to(device)
            yield self.given(part), torch.bucketize(part.float().mean(1), torch.tensor([4.2, 5.8], device=device))

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)

    def metric(self):
        return Accuracy()


@TASKS.register("toy-pairs")
@dataclass(frozen=True)
class Pairs(Words):
    """Sentences with four numbers beside them."""

    name: ClassVar[str] = "toy-pairs"
    inputs: ClassVar[tuple[Input, ...]] = (Input((LENGTH,), tokens=TOKENS), Input((4,)))

    def given(self, tokens):
        return tokens, tokens[:, :4].float() / TOKENS


@TASKS.register("toy-named")
@dataclass(frozen=True)
class Named(Words):
    """The same by name."""

    name: ClassVar[str] = "toy-named"
    inputs: ClassVar[tuple[Input, ...]] = (Input((4,), name="numbers"), Input((LENGTH,), tokens=TOKENS, name="tokens"))

    def given(self, tokens):
        return {"numbers": tokens[:, :4].float() / TOKENS, "tokens": tokens}


class Reader(nn.Module):
    """Reads tokens, and numbers where there are some."""

    def __init__(self, width, depth):
        super().__init__()
        self.words, self.numbers = nn.Embedding(TOKENS, width), nn.Linear(4, width)
        self.body = nn.Sequential(*(layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())))
        self.head = nn.Linear(width, CLASSES)

    def forward(self, tokens, *, numbers=None):
        read = self.body(self.words(tokens)).mean(1)
        return {"logits": self.head(read if numbers is None else read + self.numbers(numbers)), "read": read}


@SPACES.register("toy-readers")
@dataclass(frozen=True)
class Readers(SearchSpace):
    """Width 4 or 8, one to three layers."""

    name: ClassVar[str] = "toy-readers"

    @property
    def choices(self):
        return (2, 3)

    @property
    def default_task(self):
        return "toy-words"

    def build(self, arch, task):
        return Reader(4 * (arch[0] + 1), arch[1] + 1)
