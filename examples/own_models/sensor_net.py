"""A 1-D network that reads a speed from two noisy sensors, and the data it is trained on."""

import numpy as np
from torch import nn

from archsieve import choice, one_of


class SensorNet(nn.Module):
    def __init__(self, input_shape=(2, 64), num_outputs=1):
        super().__init__()
        channels, width = input_shape[0], choice("width", [8, 16])
        pool = one_of("pool", {"max": lambda: nn.MaxPool1d(2), "mean": lambda: nn.AvgPool1d(2)})
        layers = []
        for _ in range(choice("layers", [2, 3])):
            kernel = choice("kernel", [3, 7])
            layers += [nn.Conv1d(channels, width, kernel, padding=kernel // 2), nn.BatchNorm1d(width), nn.ReLU(), pool]
            channels = width
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(width, num_outputs)

    def forward(self, x):
        return self.head(self.layers(x).mean(2))


def data():
    """Return 600 recordings of 64 times by two sensors, and the speed in each."""
    rng = np.random.default_rng(0)
    speed = rng.uniform(1, 8, size=600)
    phase = speed[:, None] * np.linspace(0, 2 * np.pi, 64) + rng.uniform(0, 2 * np.pi, size=(600, 1))
    signals = np.stack([np.sin(phase), np.cos(phase)], axis=1) + 0.3 * rng.standard_normal((600, 2, 64))
    return signals.astype("float32"), speed
