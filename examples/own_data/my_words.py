"""A small transformer for token ids, with decisions in its constructor."""

import torch
from torch import nn

from archsieve import choice


class Words(nn.Module):
    def __init__(self, input_shape=(12,), num_outputs=1, tokens=40):
        super().__init__()
        width = choice("width", [16, 32])
        heads = choice("heads", [1, 2, 4])
        wide = width * choice("expansion", [1, 2])
        self.words = nn.Embedding(tokens, width)
        self.places = nn.Parameter(torch.randn(input_shape[0], width) / 8)
        layers = [
            nn.TransformerEncoderLayer(width, heads, wide, dropout=0.0, batch_first=True)
            for _ in range(choice("layers", [1, 2]))
        ]
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(width, num_outputs)

    def forward(self, ids):
        return self.head(self.layers(self.words(ids) + self.places).mean(1))
