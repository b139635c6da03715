"""Two proxies of your own: functions of a network that has just been initialised."""

from archsieve import proxy


@proxy
def layer_count(network, probe):
    return sum(1 for module in network.modules() if not list(module.children()))


@proxy(needs=("data",))
def output_spread(network, probe):
    return float(network(probe.inputs).std(dim=0).mean())
