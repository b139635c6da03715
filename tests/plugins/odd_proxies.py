"""Proxies that misbehave on networks with two 5x5 kernels or more: a plugin file for the command line."""

import time

from archsieve import ScoringError, proxy


def is_odd(network):
    return sum(p.dim() == 4 and p.shape[-1] == 5 for p in network.parameters()) >= 2


def size(network):
    return float(sum(p.numel() for p in network.parameters()))


@proxy
def sound(network, probe):
    return size(network)


@proxy
def gives_nan(network, probe):
    return float("nan") if is_odd(network) else size(network)


@proxy
def refuses(network, probe):
    if is_odd(network):
        raise ScoringError("two large kernels\nare too many")
    return size(network)


@proxy
def raises(network, probe):
    if is_odd(network):
        raise ZeroDivisionError("two large kernels")
    return size(network)


@proxy
def sleeps(network, probe):
    time.sleep(0.04)
    return size(network)
