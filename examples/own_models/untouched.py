"""A model that nobody touched: only the arguments of its function vary."""

from itertools import pairwise

from torch import nn


def perceptron(width=32, depth=1, activation=nn.ReLU, *, input_shape=(1, 8, 8), num_outputs=10):
    sizes = [input_shape[0] * input_shape[1] * input_shape[2]] + [width] * depth
    layers = [nn.Flatten()]
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], num_outputs))
