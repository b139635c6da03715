"""A small transformer that reads sequences of tokens; heads must divide the width, and the options say so."""

import numpy as np
import torch
from torch import nn

from archsieve import choice


class Reader(nn.Module):
    def __init__(self, num_outputs=2, tokens=30, length=16):
        super().__init__()
        width = choice("width", [16, 24])
        heads = choice("heads", [n for n in (1, 2, 3, 4) if width % n == 0], default=2)
        layers = choice("layers", [1, 2])
        inner = choice("inner", {"narrow": 2 * width, "wide": 4 * width})
        self.words = nn.Embedding(tokens, width)
        self.places = nn.Parameter(torch.zeros(length, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, inner, dropout=0.0, batch_first=True) for _ in range(layers)
        )
        self.head = nn.Linear(width, num_outputs)

    def forward(self, ids):
        x = self.words(ids) + self.places
        for layer in self.layers:
            x = layer(x)
        return self.head(x.mean(1))


def data():
    """Return 400 sequences of 16 tokens, and whether token 7 comes before token 9."""
    rng = np.random.default_rng(0)
    ids = rng.integers(10, 30, size=(400, 16))
    places = np.array([rng.permutation(16)[:2] for _ in range(400)])
    ids[np.arange(400), places[:, 0]], ids[np.arange(400), places[:, 1]] = 7, 9
    return ids, (places[:, 0] < places[:, 1]).astype(int)
