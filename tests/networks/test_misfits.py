"""A network that the inputs of its task do not fit says so: what it was given, and which layer refused it."""

import re

import pytest
import torch
from torch import nn

from archsieve.errors import ScoringError, ShapeError
from archsieve.networks.inputs import call


class Residual(nn.Module):
    def __init__(self, stride=1, channels=4):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, stride, padding=1)
        self.body = nn.Sequential(nn.ReLU(), nn.Conv2d(channels, 4, 1))

    def forward(self, x):
        x = self.one(x)
        return self.body(x) + x[..., ::2]


class Unpacks(nn.Module):
    def forward(self, x):
        _, _, height, width = x.shape
        return x.reshape(-1, height * width)


PICTURES, ROWS, TOKENS = torch.zeros(2, 3, 8, 8), torch.zeros(2, 5), torch.full((2, 3), 9)
CASES = {
    "too few columns": (nn.Linear(4, 2), ROWS, r"real numbers of shape \(5,\): .*cannot be multiplied"),
    "a head of another size": (
        nn.Sequential(nn.Flatten(), nn.Linear(6, 3)),
        PICTURES,
        r"shape \(3, 8, 8\) in the layer '1' \(Linear\): .*\(2x192 and 6x3\)\. Make the layers fit",
    ),
    "grey pictures": (nn.Conv2d(1, 2, 3), PICTURES, "to have 1 channels, but got 3"),
    "no pictures": (nn.Conv2d(3, 2, 3), ROWS, r"shape \(5,\)"),
    "an inner layer": (Residual(channels=5), PICTURES, r"in the layer 'body.1' \(Conv2d\)"),
    "branches": (Residual(), PICTURES, "must match the size"),
    "a kernel that is too large": (nn.Conv2d(3, 3, 19), PICTURES, "can't be greater than"),
    "a pooling that leaves nothing": (nn.MaxPool2d(9), PICTURES, "too small"),
    "a token beyond the table": (nn.Embedding(4, 2), TOKENS, "whole numbers .* Give its table of embeddings a row"),
    "tokens for numbers": (nn.Linear(3, 2), TOKENS, "whole numbers of shape"),
    "numbers for tokens": (nn.Embedding(4, 2), ROWS, "real numbers of shape"),
    "a norm of other channels": (nn.BatchNorm1d(3), ROWS, "should contain 5 elements"),
    "a recurrent layer": (nn.LSTM(4, 3), torch.zeros(2, 3, 5), "Expected 4, got 5"),
    "a transformer": (nn.TransformerEncoderLayer(8, 2), torch.zeros(2, 3, 6), "in the layer 'self_attn'"),
    "a network that reads the shape": (Unpacks(), ROWS, "values to unpack"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_fit_is_a_sentence(case):
    network, given, message = CASES[case]
    with pytest.raises(ShapeError, match=r"^The network cannot be run on ") as raised:
        call(network, given)
    assert re.search(message, str(raised.value)), raised.value
    assert isinstance(raised.value, ScoringError)  # a search ranks the network last, and goes on
    assert isinstance(raised.value, RuntimeError)  # what torch would have raised


def test_inputs_by_name_are_told_too():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 2)

        def forward(self, ids, mask):
            return self.head(ids * mask)

    with pytest.raises(ShapeError, match=r"shape \(4,\), real numbers of shape \(4,\) in the layer 'head'"):
        call(Named(), {"ids": torch.ones(2, 4), "mask": torch.ones(2, 4)})


@pytest.mark.parametrize("error", [RuntimeError("no such layer"), ValueError("width 3"), ScoringError("must match")])
def test_other_errors_stay_as_they_are(error):
    class Raises(nn.Module):
        def forward(self, x):
            raise error

    with pytest.raises(type(error)) as raised:
        call(Raises(), ROWS)
    assert raised.value is error
