"""The catalogue of benchmarks; a table's file is read when somebody asks for it."""

from archsieve.registry import BENCHMARKS

BENCHMARKS.add_lazy("nasbench-macro-digits", "archsieve.benchmarks.digits:DIGITS", about="nasbench-macro")
BENCHMARKS.add_lazy("nasbench-macro-cifar10", "archsieve.benchmarks.nasbench_macro:CIFAR10", about="nasbench-macro")
BENCHMARKS.add_lazy("nasbench201-cifar10", "archsieve.benchmarks.nasbench201:CIFAR10", about="nasbench201")
BENCHMARKS.add_lazy("nasbench201-analog", "archsieve.benchmarks.analog:ANALOG", about="nasbench201")
BENCHMARKS.add_lazy(
    "nasbench201-published-proxies", "archsieve.benchmarks.published_proxies:CIFAR10", about="nasbench201"
)
BENCHMARKS.add_lazy("nasbench301", "archsieve.benchmarks.nasbench301.surrogate:MODELS", about="darts")
BENCHMARKS.add_lazy(
    "nasbench301-published-proxies", "archsieve.benchmarks.published_proxies:DARTS_CIFAR10", about="darts"
)
BENCHMARKS.add_lazy("nasbench301-standin", "archsieve.benchmarks.nasbench301.stand_in:STANDIN", about="darts")
