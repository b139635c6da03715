"""A small convolutional network for series, whose decisions are its arguments: no line of it knows of a search."""

from torch import nn


def sensors(width=16, depth=2, kernel=5):
    layers, inputs = [], 3
    for _ in range(depth):
        layers += [nn.Conv1d(inputs, width, kernel, padding=kernel // 2), nn.BatchNorm1d(width), nn.ReLU()]
        layers.append(nn.MaxPool1d(2))
        inputs, width = width, 2 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(inputs, 1))
