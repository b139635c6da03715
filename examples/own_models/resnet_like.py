"""A residual network for pictures: the lines that call `choice` and `one_of` are all that a search needs."""

from torch import nn

from archsieve import choice, one_of


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        kernel = choice("kernel", [3, 5])
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            one_of("activation", {"relu": nn.ReLU, "silu": nn.SiLU}),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        is_same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if is_same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        return (self.layers(x) + self.shortcut(x)).relu()


class ResNetLike(nn.Module):
    def __init__(self, num_outputs=10, input_shape=(3, 32, 32)):
        super().__init__()
        width = choice("width", [8, 12, 16])
        blocks, inputs = [], input_shape[0]
        for stage in range(2):
            for place in range(choice("depth", [1, 2])):
                outputs = width * 2**stage
                blocks.append(Block(inputs, outputs, stride=2 if stage and not place else 1))
                inputs = outputs
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, num_outputs)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
