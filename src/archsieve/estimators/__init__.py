"""The catalogue of estimators; proxies have one of their own, and each is an estimator under its name."""

from archsieve.registry import ESTIMATORS

ESTIMATORS.add_lazy("params", "archsieve.estimators.size:PARAMS")
ESTIMATORS.add_lazy("macs", "archsieve.estimators.size:MACS")
ESTIMATORS.add_lazy("flops", "archsieve.estimators.size:FLOPS")
ESTIMATORS.add_lazy("published_flops", "archsieve.estimators.size:PUBLISHED_FLOPS")
ESTIMATORS.add_lazy("chance", "archsieve.estimators.chance:Chance")
ESTIMATORS.add_lazy("lookup", "archsieve.estimators.lookup:Lookup")
ESTIMATORS.add_lazy("replay", "archsieve.estimators.lookup:Replay")
ESTIMATORS.add_lazy("predictor", "archsieve.estimators.predictor:Predictor")
ESTIMATORS.add_lazy("mean_rank", "archsieve.estimators.combined.mean_rank:MeanRank")
ESTIMATORS.add_lazy("vote", "archsieve.estimators.combined.vote:Vote")
ESTIMATORS.add_lazy("zero_cost", "archsieve.estimators.zero_cost.estimator:ZeroCost")
ESTIMATORS.add_lazy("one_shot", "archsieve.estimators.supernet.one_shot:OneShot")
ESTIMATORS.add_lazy("partial_training", "archsieve.estimators.partial_training:PartialTraining")
ESTIMATORS.add_lazy("own_training", "archsieve.estimators.own_training:OwnTraining")
ESTIMATORS.add_lazy("command", "archsieve.estimators.measured.command:Command")
ESTIMATORS.add_lazy("latency", "archsieve.estimators.measured.latency:Latency")
ESTIMATORS.add_lazy("memory", "archsieve.estimators.measured.memory:Memory")
ESTIMATORS.add_lazy("told", "archsieve.estimators.told:Told")
ESTIMATORS.add_lazy("az_nas", "archsieve.estimators.combined.az_nas:AZNAS")
ESTIMATORS.add_lazy("swap_regularised", "archsieve.estimators.combined.swap_regularised:RegularisedSwap")
