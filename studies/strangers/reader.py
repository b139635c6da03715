"""A small transformer that tells whether brackets are closed in order; four lines were added to search it."""

import numpy as np
import torch
from torch import nn

from archsieve import choice


class Reader(nn.Module):
    def __init__(self, tokens=8, length=24):
        super().__init__()
        width = choice("width", [32, 16, 48])
        heads = choice("heads", [4, 1, 2, 8])
        self.words = nn.Embedding(tokens, width)
        self.places = nn.Parameter(torch.randn(length, width) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, width * choice("inner", [2, 1, 4]), dropout=0.0, batch_first=True)
            for _ in range(choice("layers", [2, 1, 3]))
        )
        self.head = nn.Linear(width, 2)

    def forward(self, ids):
        x = self.words(ids) + self.places
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(1))


def data():
    """Return 3,000 sequences of 24 tokens, of which the half have two brackets exchanged, and which they are."""
    rng = np.random.default_rng(0)
    ids, broken = np.zeros((3000, 24), dtype=int), rng.integers(2, size=3000)
    for row, is_broken in zip(ids, broken, strict=True):
        stack, place = [], 0
        while place < 24:
            if stack and (len(stack) >= 24 - place or rng.random() < 0.5):
                row[place] = stack.pop() + 1
            else:
                stack.append(2 * int(rng.integers(4)))
                row[place] = stack[-1]
            place += 1
        if is_broken:
            one, other = rng.choice(24, 2, replace=False)
            row[[one, other]] = row[[other, one]]
    return ids, broken
