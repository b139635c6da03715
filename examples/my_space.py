"""A proxy and a space of your own, in a file of your own.

archsieve score my-mlp 21 --proxy widest_layer --proxy params --task digits --plugin examples/my_space.py
archsieve search examples/my_plan.toml --plugin examples/my_space.py
"""

from dataclasses import dataclass

from torch import nn

from archsieve import SPACES, SearchSpace, proxy


@proxy
def widest_layer(network, probe):
    return max(layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear))


@SPACES.register("my-mlp")
@dataclass(frozen=True)
class MyMLP(SearchSpace):
    width: int = 8

    @property
    def choices(self):
        return (3, 3)  # two hidden layers of one to three times the width

    def build(self, arch, task):
        sizes = [task.input_shape[0] * task.input_shape[1] * task.input_shape[2]]
        layers = [nn.Flatten()]
        for option in arch:
            sizes.append(self.width * (option + 1))
            layers += [nn.Linear(sizes[-2], sizes[-1]), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], task.num_outputs))
