"""The catalogue of zero-cost proxies; importing it imports none of them."""

from archsieve.registry import PROXIES

for _module, *_names in (
    ("az_nas", "az_expressivity", "az_progressivity", "az_trainability"),
    ("dss",),
    ("epe_nas",),
    ("fisher",),
    ("grad_norm",),
    ("gradsign",),
    ("grasp",),
    ("jacov",),
    ("l2_norm",),
    ("lswag",),
    ("meco",),
    ("nwot",),
    ("plain",),
    ("snip",),
    ("swap",),
    ("synflow", "synflow", "synflow_log"),
    ("synflow_bn",),
    ("trainable_layers",),
    ("vkdnw",),
    ("wrcor",),
    ("zen",),
    ("zico",),
):
    for _name in _names or [_module]:
        PROXIES.add_lazy(_name, f"{__name__}.{_module}:{_name}")
