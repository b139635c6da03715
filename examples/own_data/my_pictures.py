"""A small convolutional network for pictures, with decisions in its constructor."""

from torch import nn

from archsieve import choice, one_of


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        kernel = choice("kernel", [3, 5])
        self.layer = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.act = one_of("act", {"relu": nn.ReLU, "silu": nn.SiLU})

    def forward(self, x):
        return self.act(self.norm(self.layer(x)))


class Pictures(nn.Module):
    def __init__(self, num_outputs=3):
        super().__init__()
        width = choice("width", [8, 16, 24])
        blocks, inputs = [], 3
        for _ in range(choice("depth", [1, 2, 3])):
            blocks.append(Block(inputs, width))
            inputs, width = width, 2 * width
        self.body, self.head = nn.Sequential(*blocks), nn.Linear(inputs, num_outputs)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
