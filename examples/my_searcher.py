"""A searcher of one's own, named by --plugin: a climber that tries a few neighbours of the best it has met."""

from dataclasses import dataclass

from archsieve import SEARCHERS, Batches


@SEARCHERS.register("climber")
@dataclass(frozen=True)
class Climber:
    batch: int = 4  # neighbours that may be scored at the same time

    def begin(self, candidates, rng):
        return Batches(self.steps(candidates, rng))

    def steps(self, candidates, rng):
        best = candidates.sample(rng)
        (best_score,) = yield [best]
        while True:
            archs = [candidates.mutate(best, rng) for _ in range(self.batch)]
            scores = yield archs  # NaN where an architecture could not be scored
            for arch, score in zip(archs, scores, strict=True):
                if score > best_score or best_score != best_score:
                    best, best_score = arch, score
