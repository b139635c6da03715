"""What a plug-in leaves out gets the default of its base class."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field

import pytest

from archsieve.benchmarks.contract import Benchmark, caution_of, completed_benchmark
from archsieve.defaults import completed, default, has_own, required
from archsieve.errors import SettingError
from archsieve.fingerprints import fingerprint
from archsieve.registry import TASKS
from archsieve.runs.effort import unit_of
from archsieve.runs.folder import former_identities
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.tasks.contract import Task, completed_task, count_items, measure_of, reads_ahead, says_count
from archsieve.tasks.data.batching import pending_batches
from archsieve.tasks.synthetic import Synthetic


class Kind:
    @required
    def title(self):
        """What it is called."""

    @default
    def unit(self):
        """The unit."""
        return "m"

    @default
    def label(self):
        """Title and unit."""
        return f"{self.title} in {self.unit}"

    def steps(self):
        """Return the steps; None: unknown."""
        return


@dataclass(frozen=True)
class Fields(Kind):
    title: str
    unit: str  # no default here, though the base has one
    steps_each: int = 3


class Lookalike:
    title, unit = "length", "cm"

    def steps(self):
        return 4


def test_a_dataclass_may_replace_a_default_by_a_field_without_one():
    assert Fields("width", "km").label == "width in km"
    with pytest.raises(TypeError, match="unit"):
        Fields("width")


def test_what_is_required_says_what_it_is():
    with pytest.raises(AttributeError, match=r"^Kind must define its `title`: What it is called\.$"):
        _ = Kind().title
    assert not hasattr(Kind(), "title")
    assert Kind().unit == "m"


def test_one_that_is_no_subclass_gets_the_same_defaults():
    class Bare:
        title = "depth"

    view = completed(Bare(), Kind)
    assert (view.title, view.unit, view.label, view.steps()) == ("depth", "m", "depth in m", None)
    assert completed(Lookalike(), Kind).label == "length in cm"
    assert completed(Lookalike(), Kind).steps() == 4
    with pytest.raises(AttributeError):
        _ = view.colour
    with pytest.raises(AttributeError, match="must define its `title`"):
        _ = completed(object(), Kind).title


def test_a_subclass_is_completed_by_itself():
    thing = Fields("width", "km")
    assert completed(thing, Kind) is thing


def test_whether_a_method_is_its_own():
    class Stepping(Kind):
        def steps(self):
            return 1

    assert [has_own(t, "steps", Kind) for t in (Stepping(), Lookalike(), Kind(), Fields("a", "b"), object())] == [
        *(True, True),
        *(False, False, False),
    ]


class Bare:
    """A task by its looks alone, with no more than what is required."""

    name, input_shape, num_outputs, higher_is_better = "bare", (3,), 2, True

    def batches(self, split, *, batch_size, rng=None, augment=False, device="cpu"):
        import torch

        yield torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)

    def loss(self, outputs, targets):
        return outputs.sum()

    def metric(self):
        raise NotImplementedError


@dataclass(frozen=True)
class Subclassed(Task):
    """The same as a subclass, with fields where the base has something required."""

    num_outputs: int
    name: str = field(default="bare")
    input_shape: tuple[int, ...] = (3,)

    batches, loss, metric = Bare.batches, Bare.loss, Bare.metric


@pytest.mark.parametrize("task", [Bare(), Subclassed(2)])
def test_every_question_about_a_bare_task_has_the_default_answer(task):
    assert not says_count(task)
    assert not reads_ahead(task)
    assert completed_task(task).is_present()
    assert (measure_of(task).name, measure_of(task).higher_is_better) == ("score", True)
    assert former_identities(task) == []
    assert [p.items for p in pending_batches(task, "train", batch_size=4)] == [4]
    assert unit_of(NASBench201(), task).scale is None  # nobody knows how many items an epoch has
    with pytest.raises(SettingError, match=r"'bare' does not declare its number of items: define count\(split\)"):
        count_items(task, "train")


def test_a_task_without_its_methods_is_refused_when_it_is_made():
    class Half(Task):
        name, input_shape, num_outputs = "half", (3,), 2

    with pytest.raises(TypeError, match="batches"):
        Half()


def test_a_task_by_its_looks_has_the_fingerprint_of_the_subclass():
    @dataclass(frozen=True)
    class Looks:
        num_outputs: int = 2
        name: str = "bare"
        input_shape: tuple[int, ...] = (3,)

    subclass = dataclass(frozen=True)(type("Looks", (Subclassed,), {"__annotations__": {}}))
    assert fingerprint(Looks()) == fingerprint(subclass(2))


def test_shipped_tasks_are_subclasses_that_pickle():
    assert all(issubclass(TASKS[n], Task) for n in TASKS if TASKS[n].__module__.startswith("archsieve."))
    task = Synthetic(shape=(3, 8, 8))
    assert pickle.loads(pickle.dumps(task)) == task  # noqa: S301 - what workers get


class Looks:
    name, space, task, columns = "looks", NASBench201(), "digits", ("accuracy",)

    def load(self):
        raise NotImplementedError


@dataclass(frozen=True)
class OfNoFile(Benchmark):
    name: str
    space: NASBench201 = Looks.space
    task: str = "digits"
    columns: tuple[str, ...] = ("accuracy",)

    load = Looks.load


@pytest.mark.parametrize("benchmark", [Looks(), OfNoFile("looks")])
def test_every_question_about_a_bare_benchmark_has_the_default_answer(benchmark):
    full = completed_benchmark(benchmark)
    assert (full.name, full.truth, full.source, full.is_present()) == ("looks", None, None, True)
    assert (caution_of(benchmark), full.choosers, full.noise, full.repetitions, full.task_settings) == (
        "",
        {},
        {},
        {},
        {},
    )
