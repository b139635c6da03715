"""The catalogue of searchers.

All but the funnel are called as `searcher(space, evaluate, budget=..., rng=...)`; the funnel takes stages and
a pool.
"""

from archsieve.registry import SEARCHERS

SEARCHERS.add_lazy("funnel", "archsieve.searchers.funnel:run_funnel")
SEARCHERS.add_lazy("random-search", "archsieve.searchers.random_search:random_search")
SEARCHERS.add_lazy("regularized-evolution", "archsieve.searchers.regularized_evolution:regularized_evolution")
SEARCHERS.add_lazy("differential-evolution", "archsieve.searchers.differential_evolution:differential_evolution")
