"""A proxy of your own: a function of a network that has just been initialised."""

from archsieve import proxy


@proxy
def layer_count(network, probe):
    return sum(1 for module in network.modules() if not list(module.children()))
