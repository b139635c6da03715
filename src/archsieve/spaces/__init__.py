"""The catalogue of search spaces; a space's module imports torch only when it builds a network."""

from archsieve.registry import SPACES

SPACES.add_lazy("nasbench-macro", "archsieve.spaces.nasbench_macro.space:NASBenchMacro")
SPACES.add_lazy("nasbench201", "archsieve.spaces.nasbench201.space:NASBench201")
SPACES.add_lazy("nats-size", "archsieve.spaces.nasbench201.size_space:NATSSize")
SPACES.add_lazy("nasbench101", "archsieve.spaces.nasbench101.space:NASBench101")
for _number in (1, 2, 3):
    SPACES.add_lazy(f"nasbench1shot1-{_number}", f"archsieve.spaces.nasbench101.one_shot_space:OneShot{_number}")
SPACES.add_lazy("transnas-micro", "archsieve.spaces.transnas.space:TransNASMicro")
SPACES.add_lazy("transnas-macro", "archsieve.spaces.transnas.macro_space:TransNASMacro")
SPACES.add_lazy("topformer", "archsieve.spaces.topformer.space:TopFormer")
SPACES.add_lazy("topformer-hand-made", "archsieve.spaces.topformer.space:HandMadeTopFormers")
SPACES.add_lazy("darts", "archsieve.spaces.darts.space:DARTS")
SPACES.add_lazy("attentivenas", "archsieve.spaces.attentivenas.space:AttentiveNAS")
SPACES.add_lazy("flexibert", "archsieve.spaces.recorded.flexibert:FlexiBERT")
SPACES.add_lazy("vitbench-autoformer", "archsieve.spaces.recorded.vision:AutoFormer")
SPACES.add_lazy("vitbench-pit", "archsieve.spaces.recorded.vision:PiT")
SPACES.add_lazy("own", "archsieve.spaces.choices.space:OwnSpace", is_listed=False)
