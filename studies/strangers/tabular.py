"""A perceptron with normalisation for rows of a table: no line was added, its arguments vary."""

from torch import nn


def perceptron(width=64, depth=2, activation="relu", norm=True, shrink=1.0):
    layers, inputs = [], 10
    for _ in range(depth):
        layers += [nn.Linear(inputs, width)]
        layers += [nn.BatchNorm1d(width)] if norm else []
        layers += [{"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}[activation]()]
        inputs, width = width, max(4, int(width * shrink))
    return nn.Sequential(*layers, nn.Linear(inputs, 1))


def data():
    """Return 2,000 rows of ten columns, five of which matter, and the number to predict (Friedman's first problem)."""
    from sklearn.datasets import make_friedman1

    return make_friedman1(2000, noise=0.5, random_state=0)
