"""A small residual network for CIFAR-10, as many write it; seven lines say what is searched to search it."""

import io
import os

import numpy as np
import pandas as pd
from PIL import Image
from torch import nn

from archsieve import choice, one_of


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        kernel = choice("kernel", [3, 1, 5])
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel, 1, kernel // 2, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.act = one_of("act", {"relu": nn.ReLU, "silu": nn.SiLU})
        self.short = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = self.act(self.bn1(self.conv1(x)))
        return self.act(self.bn2(self.conv2(out)) + self.short(x))


class SmallResNet(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        inputs = choice("stem", [16, 8, 24])
        self.stem = nn.Sequential(nn.Conv2d(3, inputs, 3, 2, 1, bias=False), nn.BatchNorm2d(inputs), nn.ReLU())
        blocks = []
        for stage in range(3):
            outputs = choice("width", [16 * 2**stage, 8 * 2**stage, 12 * 2**stage, 24 * 2**stage])
            for place in range(choice("depth", [2, 1, 3])):
                blocks.append(Block(inputs, outputs, 2 if stage and not place else 1))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(inputs, num_classes)

    def forward(self, x):
        return self.fc(self.blocks(self.stem(x)).mean((2, 3)))


def data():
    """Return the first 2,000 pictures of CIFAR-10 to train on, 1,000 to validate, and the first 1,000 to test."""

    def pictures(name, begin, end):
        rows = pd.read_parquet(f"{os.environ['ARCHSIEVE_DATA']}/cifar10-{name}.parquet").iloc[begin:end]
        files = (io.BytesIO(picture["bytes"]) for picture in rows.iloc[:, 0])
        return np.stack([np.asarray(Image.open(file)).transpose(2, 0, 1) for file in files]), rows.iloc[:, 1].to_numpy()

    return pictures("train", 0, 2000), pictures("train", 2000, 3000), pictures("test", 0, 1000)
