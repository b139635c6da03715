"""The catalogue of search spaces; a space's module loads torch only when it builds a network."""

from archsieve.registry import SPACES

SPACES.add_lazy("nasbench-macro", "archsieve.spaces.nasbench_macro:NASBenchMacro")
SPACES.add_lazy("nasbench201", "archsieve.spaces.nasbench201:NASBench201")
SPACES.add_lazy("topformer", "archsieve.spaces.topformer:TopFormer")
SPACES.add_lazy("topformer-hand-made", "archsieve.spaces.topformer:HandMadeTopFormers")
SPACES.add_lazy("darts", "archsieve.spaces.darts:DARTS")
SPACES.add_lazy("attentivenas", "archsieve.spaces.attentivenas:AttentiveNAS")
