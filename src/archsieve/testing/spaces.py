"""Laws of a search space."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch

from archsieve.errors import PartialScoringError, SettingError
from archsieve.estimators.contract import Context
from archsieve.estimators.prefixes import is_chain, walk
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import fingerprint
from archsieve.networks.building import build_network
from archsieve.networks.form import inputs_of, special_inputs
from archsieve.networks.generators import drawing
from archsieve.networks.outputs import main_output, outputs_of
from archsieve.networks.supernets import build_supernet
from archsieve.spaces.contract import check, neighbours
from archsieve.spaces.sizes import SizeName, size_of
from archsieve.tasks.noise import Noise, default_loss
from archsieve.tasks.synthetic import Synthetic
from archsieve.testing.laws import expect, random_states, samples

if TYPE_CHECKING:
    from pathlib import Path

    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

SIZES: tuple[SizeName, ...] = ("params", "macs")
SHARED = ("l2_norm", "nwot", "zen", "meco", "snip", "fisher", "jacov", "az_trainability")
"""Proxies that look at networks in different ways: weights, passes, hooks, gradients."""


def _noise(task: Task, count: int = 4) -> torch.Tensor:
    if inputs := special_inputs(task):
        batch = Noise(inputs, task.num_outputs, default_loss(task.num_outputs), items=count).given("train")
        if not isinstance(batch, torch.Tensor):
            raise SettingError(f"The contract tests spaces of one input, but the task {task.name!r} has several.")
        return batch
    return torch.randn(count, *task.input_shape, generator=torch.Generator().manual_seed(0))


class _Apart:
    """A wrapper of a space that forbids proxies to share networks."""

    is_shareable = False

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_space":  # not there yet, while it is copied
            raise AttributeError(name)
        return getattr(self._space, name)


def _outcomes(members: list[ZeroCost], archs: list[Architecture], ctx: Context) -> list[bytes | str]:
    """Return the exact score of every architecture, or the reason for a missing one."""
    reasons: dict[tuple[int, int], str] = {}
    try:
        scores = members[0].score_group(members, archs, ctx)
    except PartialScoringError as failed:
        scores, reasons = failed.scores, failed.reasons
    places = [(i, k) for i in range(len(archs)) for k in range(len(members))]
    return [reasons.get(place, scores[place].tobytes()) for place in places]


class SpaceContract:
    """Laws of a search space.

    Set `space`, and `task` where 3x32x32 images with 10 classes are no input for it.
    """

    space: ClassVar[SearchSpace]
    task: ClassVar[Task] = Synthetic()

    def test_parse_inverts_describe(self) -> None:
        """Parsing a description gives the code back."""
        for arch in samples(self.space, 50):
            expect(self.space.parse(self.space.describe(arch)) == arch, f"parse(describe({arch})) is another code")

    def test_canonical_is_a_fixed_point(self) -> None:
        """A canonical code is an architecture, and its own canonical code."""
        for arch in samples(self.space, 50):
            canonical = self.space.canonical(arch)
            expect(check(self.space, canonical) == canonical, f"canonical({arch}) is no architecture")
            expect(self.space.canonical(canonical) == canonical, f"canonical({arch}) is not canonical")

    def test_mutation_changes_one_decision(self) -> None:
        """A mutant is a valid neighbour, or if there is none another valid code."""
        rng = np.random.default_rng(0)
        for arch in samples(self.space, 50):
            mutant = check(self.space, self.space.mutate(arch, rng))
            changed = sum(a != b for a, b in zip(arch, mutant, strict=True))
            is_apart = changed > 1 and not neighbours(self.space, arch)
            expect(changed == 1 or is_apart, f"{mutant} is no neighbour of {arch}")

    def test_settings_are_plain(self) -> None:
        """Equal settings give equal fingerprints."""
        expect(fingerprint(self.space) == fingerprint(self.space), "the fingerprint changes")

    def test_networks_fit_the_task(self) -> None:
        """A network maps a task's batch to its outputs, with equal weights for equal seeds."""
        if getattr(self.space, "is_recorded", False):  # there are no networks
            return
        inputs = _noise(self.task, 2)
        for arch in samples(self.space, 2):
            network, twin = (build_network(self.space, arch, self.task, 0).eval() for _ in range(2))
            with drawing(0):
                outputs = main_output(network(inputs.clone()))
            with drawing(0):
                again = main_output(twin(inputs.clone()))
            shapes = [(2, self.task.num_outputs, *positions) for positions in ((), self.task.input_shape[1:])]
            expect(tuple(outputs.shape) in shapes, f"outputs have shape {tuple(outputs.shape)}")
            expect(bool(torch.equal(outputs, again)), "two builds by one seed differ")

    def test_shareable_networks_leave_inputs_and_keep_no_state(self) -> None:
        """If networks are shareable, a pass changes neither its inputs nor later passes."""
        if not self.space.is_shareable:
            return
        for arch in samples(self.space, 2):
            network, inputs = build_network(self.space, arch, self.task, 0), _noise(self.task)
            batch, outputs = inputs.clone(), []
            for _ in range(2):
                with drawing(0), torch.no_grad():  # the same dropout
                    outputs.append(outputs_of(network, batch))
                expect(bool(torch.equal(inputs, batch)), f"the network of {arch} writes to its inputs")
            expect(bool(torch.equal(*outputs)), f"the network of {arch} keeps a state that its outputs depend on")

    def test_shareable_pieces_leave_what_they_get(self) -> None:
        """If paths are shareable, no piece of a chain modifies an input that other pieces use."""
        supernet: Any = build_supernet(self.space, self.task, 0) if hasattr(self.space, "supernet") else None
        if not (self.space.is_shareable and is_chain(supernet)):
            return
        before = supernet.stem(_noise(self.task)).detach()
        for position, options in enumerate(self.space.choices):
            for option in range(options):
                features = before.clone()
                after = supernet.piece(position, option)(features).detach()
                expect(bool(torch.equal(features, before)), f"option {option} of choice {position} writes to its input")
            before = after

    def test_a_chain_walks_as_it_runs(self) -> None:
        """The outputs of a chain's path equal those of its pieces run in turn."""
        supernet: Any = build_supernet(self.space, self.task, 0) if hasattr(self.space, "supernet") else None
        if not is_chain(supernet):
            return
        archs, inputs = samples(self.space, 2), _noise(self.task)
        for training in (True, False):
            supernet.train(training)
            for arch, before_head in walk(supernet, archs, inputs.clone(), lambda piece, x: piece(x.clone())):
                with drawing(0):
                    walked = supernet.head(before_head)
                with drawing(0):
                    run = supernet(inputs.clone(), arch)
                expect(bool(torch.equal(walked, run)), f"the walk through the pieces of {arch} gives other outputs")

    def test_sharing_changes_no_score(self, tmp_path: Path) -> None:
        """If networks are shareable, scores equal those of separate networks and batches."""
        if not self.space.is_shareable:
            return
        shared = Context(self.space, self.task, tmp_path)
        apart = Context(cast("SearchSpace", _Apart(self.space)), self.task, tmp_path)
        archs, members = samples(self.space, 2), []
        for member in (ZeroCost(name, batch_size=2) for name in SHARED):
            with suppress(SettingError):  # the task's loss does not fit these networks' outputs
                _outcomes([member], archs[:1], shared)
                members.append(member)
        together = _outcomes(members, archs, shared)
        for i, arch in enumerate(archs):
            for k, member in enumerate(members):
                (alone,) = _outcomes([member], [arch], apart)
                expect(together[i * len(members) + k] == alone, f"{member.name} of {arch} depends on its company")

    def test_sizes_equal_counts(self) -> None:
        """Closed-form sizes equal those counted on the network."""
        from archsieve.networks.counting import count_flops, count_macs, count_params

        closed_forms = [name for name in ("params", "macs", "flops") if getattr(self.space, name, None) is not None]
        for arch in samples(self.space) if closed_forms else ():
            with torch.device("meta"):
                network = self.space.build(arch, self.task)
            shape = inputs_of(self.task)
            counts = {
                "params": count_params(network),
                "macs": count_macs(network, shape),
                "flops": count_flops(network, shape),
            }
            for name, count in counts.items():
                closed_form: Any = getattr(self.space, name, None)
                if closed_form is not None:
                    expect(closed_form(arch, self.task) == count, f"{name} of {arch} is not {count}")

    def test_extremes_bound_the_sizes(self) -> None:
        """No architecture is smaller than the smallest, or larger than the largest."""
        if self.space.extremes is None:
            return
        limits = [[size_of(self.space, arch, self.task, name) for arch in self.space.extremes] for name in SIZES]
        for arch in samples(self.space):
            for name, (least, most) in zip(SIZES, limits, strict=True):
                size = size_of(self.space, arch, self.task, name)
                expect(least <= size <= most, f"{name} of {arch} is {size}, not in {least}..{most}")

    def test_law_of_the_supernet(self) -> None:
        """An extracted network computes the path's outputs, shares no storage, and loads into a new network."""
        if not hasattr(self.space, "supernet"):
            return
        supernet: Any = build_supernet(self.space, self.task, 0)
        for arch in samples(self.space, 2):
            for training in (True, False):
                self._expect_extraction(supernet.train(training), arch)
            network = supernet.extract(arch)
            self.space.build(arch, self.task).load_state_dict(network.state_dict(), strict=True)
            pointers = {p.data_ptr() for p in network.parameters()}
            expect(pointers.isdisjoint(p.data_ptr() for p in supernet.parameters()), "storage is shared")

    def test_a_trained_supernet_computes_its_paths(self) -> None:
        """The law also holds after training steps, with changed weights and statistics."""
        if not hasattr(self.space, "supernet"):
            return
        supernet: Any = build_supernet(self.space, self.task, 0)
        optimiser = torch.optim.SGD(supernet.parameters(), lr=0.1)
        for arch in samples(self.space, 3):
            optimiser.zero_grad()
            loss = main_output(supernet(_noise(self.task, 6), arch)).square().mean()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        for training in (True, False):
            for arch in samples(self.space, 3):
                self._expect_extraction(supernet.train(training), arch)

    def test_extracting_leaves_the_supernet_alone(self) -> None:
        """Extracting changes neither supernet nor random state, and extracted weights are independent copies."""
        if not hasattr(self.space, "supernet"):
            return
        for training in (True, False):
            supernet: Any = build_supernet(self.space, self.task, 0).train(training)
            before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
            random = random_states()
            network = supernet.extract(samples(self.space, 1)[0])
            expect(random == random_states(), "the caller's generators moved")
            with torch.no_grad():
                for tensor in (*network.parameters(), *network.buffers()):
                    tensor.add_(1)
            after = supernet.state_dict()
            is_same = list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)
            expect(is_same, "the supernet changes with what was extracted from it")
            is_kept = all(module.training is training for module in network.modules())
            expect(is_kept, f"what is extracted is not in the mode of the supernet, training={training}")

    def test_draws_come_from_the_given_generator(self) -> None:
        """Samples and mutants follow from the generator; nothing changes the caller's generators."""
        before = random_states()
        drawn = []
        for _ in range(2):
            rng = np.random.default_rng(5)
            archs = [self.space.sample(rng) for _ in range(20)]
            drawn.append([*archs, *(self.space.mutate(arch, rng) for arch in archs)])
        if not getattr(self.space, "is_recorded", False):
            build_network(self.space, drawn[0][0], self.task, 0)
        if hasattr(self.space, "supernet"):
            build_supernet(self.space, self.task, 0)
        expect(drawn[0] == drawn[1], "equal generators give other samples or mutants")
        expect(before == random_states(), "the caller's generators moved")

    def _expect_extraction(self, supernet: Any, arch: Architecture) -> None:
        """Check that the extracted network gives the path's outputs."""
        network, inputs = supernet.extract(arch), _noise(self.task)
        with drawing(0):  # the same dropout
            own = network(inputs)
        with drawing(0):
            path = supernet(inputs, arch)
        expect(bool(torch.equal(own, path)), f"extract({arch}) computes another")
