"""The catalogue of benchmarks; a table's file is read on first use."""

from archsieve.registry import BENCHMARKS

BENCHMARKS.add_lazy("nasbench-macro-digits", "archsieve.benchmarks.digits:DIGITS", about="nasbench-macro")
BENCHMARKS.add_lazy("nasbench-macro-cifar10", "archsieve.benchmarks.nasbench_macro:CIFAR10", about="nasbench-macro")
BENCHMARKS.add_lazy("nasbench201-cifar10", "archsieve.benchmarks.nasbench201:CIFAR10", about="nasbench201")
BENCHMARKS.add_lazy("nasbench201-cifar100", "archsieve.benchmarks.nats_topology:CIFAR100", about="nasbench201")
BENCHMARKS.add_lazy("nasbench201-imagenet16-120", "archsieve.benchmarks.nats_topology:IMAGENET16", about="nasbench201")
BENCHMARKS.add_lazy("nasbench201-analog", "archsieve.benchmarks.analog:ANALOG", about="nasbench201")
BENCHMARKS.add_lazy(
    "nasbench201-published-proxies", "archsieve.benchmarks.published_proxies:CIFAR10", about="nasbench201"
)
BENCHMARKS.add_lazy("nasbench301", "archsieve.benchmarks.nasbench301.surrogate:MODELS", about="darts")
BENCHMARKS.add_lazy(
    "nasbench301-published-proxies", "archsieve.benchmarks.published_proxies:DARTS_CIFAR10", about="darts"
)
BENCHMARKS.add_lazy("nasbench301-standin", "archsieve.benchmarks.nasbench301.stand_in:STANDIN", about="darts")
for _data_set, _name in (("cifar10", "CIFAR10"), ("cifar100", "CIFAR100"), ("imagenet16-120", "IMAGENET16")):
    BENCHMARKS.add_lazy(f"nats-size-{_data_set}", f"archsieve.benchmarks.nats_size:{_name}", about="nats-size")
for _kind in ("micro", "macro"):
    for _task in ("class_scene", "class_object", "room_layout", "jigsaw", "segmentsemantic", "normal", "autoencoder"):
        BENCHMARKS.add_lazy(
            f"transnas-{_kind}-{_task.replace('_', '-')}",
            f"archsieve.benchmarks.transnas:{_kind.upper()}_{_task.upper()}",
            about=f"transnas-{_kind}",
        )
BENCHMARKS.add_lazy("nasbench101-cifar10", "archsieve.benchmarks.nasbench101:NASBENCH101", about="nasbench101")
for _number in (1, 2, 3):
    _space = f"nasbench1shot1-{_number}"
    BENCHMARKS.add_lazy(f"{_space}-cifar10", f"archsieve.benchmarks.nasbench101:ONE_SHOT_{_number}", about=_space)
BENCHMARKS.add_lazy("flexibert-glue", "archsieve.benchmarks.bert:GLUE", about="flexibert")
for _kind in ("autoformer", "pit"):
    for _data_set in ("cifar100", "flowers", "chaoyang"):
        BENCHMARKS.add_lazy(
            f"vitbench-{_kind}-{_data_set}",
            f"archsieve.benchmarks.transformers:{_kind.upper()}_{_data_set.upper()}",
            about=f"vitbench-{_kind}",
        )
