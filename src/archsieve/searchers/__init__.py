"""The catalogue of searchers: frozen dataclasses that start searches; see `archsieve.searchers.contract.Searcher`."""

from archsieve.registry import SEARCHERS

SEARCHERS.add_lazy("random_search", "archsieve.searchers.random_search:RandomSearch")
SEARCHERS.add_lazy("regularized_evolution", "archsieve.searchers.regularized_evolution:RegularizedEvolution")
SEARCHERS.add_lazy("differential_evolution", "archsieve.searchers.differential_evolution:DifferentialEvolution")
SEARCHERS.add_lazy("guided", "archsieve.searchers.guided_searcher:Guided")
SEARCHERS.add_lazy("optuna", "archsieve.searchers.optuna:OptunaSearcher")
SEARCHERS.add_lazy("fitted_vote", "archsieve.searchers.fitted_vote:FittedVote")
