"""The catalogue of zero-cost proxies, one a file; importing it imports none of them."""

from archsieve.registry import PROXIES

for _name in (
    "epe_nas",
    "fisher",
    "grad_norm",
    "grasp",
    "jacov",
    "l2_norm",
    "nwot",
    "plain",
    "snip",
    "synflow",
    "synflow_bn",
    "zen",
):
    PROXIES.add_lazy(_name, f"{__name__}.{_name}:{_name}")
PROXIES.add_lazy("synflow_log", f"{__name__}.synflow:synflow_log")
