"""A 1-D network that reads the speed of a motor from three vibration sensors; three lines were added to search it."""

import numpy as np
from torch import nn

from archsieve import choice


class MotorCNN(nn.Module):
    def __init__(self):
        super().__init__()
        layers, inputs, width = [], 3, choice("width", [16, 8, 24, 32])
        for _ in range(choice("layers", [3, 1, 2, 4])):
            kernel = choice("kernel", [5, 3, 9, 15])
            layers += [nn.Conv1d(inputs, width, kernel, padding=kernel // 2), nn.BatchNorm1d(width), nn.ReLU()]
            layers += [nn.MaxPool1d(2)]
            inputs = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, 1)

    def forward(self, x):
        return self.head(self.layers(x).mean(2))


def data():
    """Return 1,500 recordings of 128 times by three sensors, and the speed in each: two harmonics and a resonance."""
    rng = np.random.default_rng(0)
    speed = rng.uniform(1, 12, size=1500)
    time = np.linspace(0, 2 * np.pi, 128)
    phase = speed[:, None, None] * time * np.array([1, 2, 0.5])[:, None] + rng.uniform(0, 6.3, size=(1500, 3, 1))
    hum = np.sin(7.3 * time + rng.uniform(0, 6.3, size=(1500, 1, 1)))
    signals = np.sin(phase) * rng.uniform(0.3, 1, size=(1500, 3, 1)) + hum + 0.8 * rng.standard_normal((1500, 3, 128))
    return signals.astype("float32"), speed
