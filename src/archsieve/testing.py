"""Contract suites: subclass one in a test of yours, name your space or estimator, and run pytest.

    class TestMySpace(SpaceContract):
        space = MySpace()

Each law is a test of its own; it is checked on a few samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from archsieve.costs import CostName, cost_of
from archsieve.estimator import Context, Grouped, fingerprint
from archsieve.networks import build_network, build_supernet, drawing
from archsieve.space import check
from archsieve.tasks.synthetic import Synthetic

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task

SAMPLES = 5
COSTS: tuple[CostName, ...] = ("params", "macs")


def _sample(space: SearchSpace, count: int = SAMPLES) -> list[Architecture]:
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(count)]


def _expect(holds: bool, law: str) -> None:
    if not holds:
        raise AssertionError(law)


class SpaceContract:
    """Laws of a search space.

    Set `space`, and `task` where 3x32x32 images with 10 classes are no input for it.
    """

    space: ClassVar[SearchSpace]
    task: ClassVar[Task] = Synthetic()

    def test_parse_inverts_describe(self) -> None:
        """Every code survives the notation."""
        for arch in _sample(self.space, 50):
            _expect(self.space.parse(self.space.describe(arch)) == arch, f"parse(describe({arch})) is another code")

    def test_canonical_is_a_fixed_point(self) -> None:
        """A canonical code is an architecture, and its own canonical code."""
        for arch in _sample(self.space, 50):
            canonical = self.space.canonical(arch)
            _expect(check(self.space, canonical) == canonical, f"canonical({arch}) is no architecture")
            _expect(self.space.canonical(canonical) == canonical, f"canonical({arch}) is not canonical")

    def test_mutation_changes_one_decision(self) -> None:
        """A mutant is a valid neighbour."""
        rng = np.random.default_rng(0)
        for arch in _sample(self.space, 50):
            mutant = check(self.space, self.space.mutate(arch, rng))
            _expect(sum(a != b for a, b in zip(arch, mutant, strict=True)) == 1, f"{mutant} is no neighbour of {arch}")

    def test_settings_are_plain(self) -> None:
        """Equal settings give equal fingerprints."""
        _expect(fingerprint(self.space) == fingerprint(self.space), "the fingerprint changes")

    def test_networks_fit_the_task(self) -> None:
        """A network maps a batch of the task to its outputs, with the same weights for the same seed."""
        inputs = torch.zeros(2, *self.task.input_shape)
        for arch in _sample(self.space, 2):
            one, other = (build_network(self.space, arch, self.task, 0).eval() for _ in range(2))
            outputs = one(inputs)
            shapes = [(2, self.task.num_outputs, *positions) for positions in ((), self.task.input_shape[1:])]
            _expect(tuple(outputs.shape) in shapes, f"outputs have shape {tuple(outputs.shape)}")
            _expect(bool(torch.equal(outputs, other(inputs))), "two builds by one seed differ")

    def test_costs_equal_counts(self) -> None:
        """What a space says in closed form is what is counted on the network."""
        from archsieve.networks import count_flops, count_macs, count_params

        for arch in _sample(self.space):
            with torch.device("meta"):
                network = self.space.build(arch, self.task)
            shape = self.task.input_shape
            counts = {
                "params": count_params(network),
                "macs": count_macs(network, shape),
                "flops": count_flops(network, shape),
            }
            for name, count in counts.items():
                closed_form: Any = getattr(self.space, name, None)
                if closed_form is not None:
                    _expect(closed_form(arch, self.task) == count, f"{name} of {arch} is not {count}")

    def test_extremes_bound_the_costs(self) -> None:
        """No architecture costs less than the smallest, or more than the largest."""
        if self.space.extremes is None:
            return
        limits = [[cost_of(self.space, arch, self.task, name) for arch in self.space.extremes] for name in COSTS]
        for arch in _sample(self.space):
            for name, (least, most) in zip(COSTS, limits, strict=True):
                cost = cost_of(self.space, arch, self.task, name)
                _expect(least <= cost <= most, f"{name} of {arch} is {cost}, not in {least}..{most}")

    def test_law_of_the_supernet(self) -> None:
        """What is extracted computes what the path computes, shares no storage and loads into a new network."""
        if not hasattr(self.space, "supernet"):
            return
        supernet: Any = build_supernet(self.space, self.task, 0)
        inputs = torch.randn(4, *self.task.input_shape, generator=torch.Generator().manual_seed(0))
        for arch in _sample(self.space, 2):
            for training in (True, False):
                network = supernet.train(training).extract(arch)
                with drawing(0):  # the same dropout
                    own = network(inputs)
                with drawing(0):
                    path = supernet(inputs, arch)
                _expect(bool(torch.equal(own, path)), f"extract({arch}) computes another")
            self.space.build(arch, self.task).load_state_dict(network.state_dict(), strict=True)
            held = {p.data_ptr() for p in network.parameters()}
            _expect(held.isdisjoint(p.data_ptr() for p in supernet.parameters()), "storage is shared")


class EstimatorContract:
    """Laws of an estimator that needs no fitting. Set `estimator`, `space`, and `task` as for a space."""

    estimator: ClassVar[Any]
    space: ClassVar[SearchSpace]
    task: ClassVar[Task] = Synthetic()

    def test_scores_do_not_depend_on_order(self, tmp_path: Path) -> None:
        """A score depends on the architecture, and on nothing it is scored beside."""
        archs, ctx = _sample(self.space), Context(self.space, self.task, tmp_path)
        scores = np.asarray(self.estimator.score(archs, ctx))
        _expect(scores.shape == (len(archs),), f"scores have shape {scores.shape}")
        backwards = np.asarray(self.estimator.score(archs[::-1], ctx))[::-1]
        _expect(np.array_equal(scores, backwards, equal_nan=True), "scores depend on the order")
        _expect(self._equal(scores[:1], self.estimator.score(archs[:1], ctx)), "scores depend on the company")

    def test_scores_leave_random_state_alone(self, tmp_path: Path) -> None:
        """The caller's generators are untouched."""
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index] # noqa: NPY002
        self.estimator.score(_sample(self.space, 1), Context(self.space, self.task, tmp_path))
        _expect(bool(torch.equal(before[0], torch.get_rng_state())), "torch's generator moved")
        _expect(np.array_equal(before[1], np.random.get_state()[1]), "numpy's generator moved")  # type: ignore[index] # noqa: NPY002

    def test_group_equals_members(self, tmp_path: Path) -> None:
        """A member's column in a pass is what the member gives alone."""
        if isinstance(self.estimator, Grouped):
            member: Any = self.estimator
            archs, ctx = _sample(self.space, 2), Context(self.space, self.task, tmp_path)
            together = self.estimator.score_group([self.estimator, self.estimator], archs, ctx)
            for column in together.T:
                _expect(self._equal(column, member.score(archs, ctx)), "a pass changes scores")

    @staticmethod
    def _equal(one: ArrayLike, other: ArrayLike) -> bool:
        return np.asarray(one).tobytes() == np.asarray(other).tobytes()
