"""The task of a function of the user's: data sets, loaders, arrays, and what is said of others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archsieve.errors import DataError, PlanError, SettingError
from archsieve.fingerprints import fingerprint
from archsieve.networks.form import inputs_of
from archsieve.plans.parts import make
from archsieve.tasks import from_function
from archsieve.tasks.from_function import FromFunction
from archsieve.testing import TaskContract
from plugins import own_sets


@pytest.fixture(autouse=True)
def _read_anew():
    for each in (from_function._sets, from_function._scan, from_function._known):
        each.cache_clear()


def of(name, **settings):
    return FromFunction(function=f"plugins.own_sets:{name}", **settings)


def refusal(name, **settings):
    with pytest.raises(DataError) as caught:
        next(of(name, **settings).batches("train", batch_size=4))
    return str(caught.value)


CASES = {
    "splits": {},
    "loaders": {},
    "numbers": {"kind": "regression", "scored_by": "rmse"},
    "tokens": {"tokens": 60, "kind": "binary"},
    "named": {"kind": "binary", "scored_by": "accuracy"},
    "scenes": {"kind": "segmentation"},
}


class TestOwnFunction(TaskContract):
    @pytest.fixture(autouse=True, params=CASES)
    def _task(self, request):
        self.task = of(request.param, **CASES[request.param])


def test_splits_are_those_that_are_given():
    assert [of("splits").count(split) for split in ("train", "validation", "test")] == [51, 9, 9]
    assert [of("loaders").count(split) for split in ("train", "validation", "test")] == [51, 9, 20]
    assert [of("numbers", kind="regression").count(split) for split in ("train", "validation", "test")] == [56, 12, 12]


def test_inputs_have_the_form_of_the_items():
    assert [str(each) for each in inputs_of(of("named", kind="binary"))] == ["ids 5 of 9 tokens", "numbers 3"]
    assert str(inputs_of(of("tokens"))[0]) == "12 of 50 tokens"
    scenes = of("scenes", kind="segmentation")
    assert (scenes.input_shape, scenes.num_outputs) == ((3, 6, 7), 3)
    assert float(next(scenes.batches("train", batch_size=9))[0].max()) <= 1  # bytes are shares of white


def test_what_an_item_draws_is_seeded():
    def first(seed, augment=True):
        task = of("splits")
        return next(task.batches("train", batch_size=5, rng=np.random.default_rng(seed), augment=augment))[0]

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(0, augment=False))


def test_the_workers_of_a_loader_give_the_same_items():
    task = of("in_workers")
    batch = next(task.batches("test", batch_size=4))
    places = task.members("test")[:4].tolist()
    assert torch.equal(batch[0], torch.stack([own_sets.Noisy(24)[place][0] for place in places]))


def test_the_identity_is_the_content(monkeypatch):
    before = fingerprint(of("tokens"))
    monkeypatch.setattr(own_sets, "named", own_sets.tokens)
    assert fingerprint(of("named")) == before
    monkeypatch.setattr(own_sets, "alone", lambda: (own_sets.tokens()[0] % 7, own_sets.tokens()[1]))
    assert fingerprint(of("alone")) != before


def test_a_named_revision_is_read_once_on_this_machine(cache, monkeypatch):
    before = fingerprint(of("splits", revision="may"))
    _forget()
    monkeypatch.setattr("archsieve.tasks.data.user_scan._scan", None)  # would fail
    assert fingerprint(of("splits", revision="may")) == before
    _forget()
    with pytest.raises(TypeError):
        fingerprint(of("splits", revision="june"))


def _forget():
    for each in (from_function._scan, from_function._known):
        each.cache_clear()


def test_a_plan_calls_it_only_if_the_command_line_names_the_code():
    table = {"name": "function", "function": "plugins.own_sets:tokens"}
    with pytest.raises(PlanError, match=r"would run code of the module 'plugins.own_sets'"):
        make("task", table)
    assert make("task", table, ["plugins.own_sets"]) == of("tokens")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("stream", "gives items one after the other, so that their order cannot be drawn by seed"),
        ("alone", "An item of plugins.own_sets:alone must be a pair (inputs, target), but is Tensor of 3"),
        ("ragged", "cannot be read: RuntimeError: stack expects each tensor to be equal size"),
        ("broken", "The items of plugins.own_sets:broken cannot be read: RuntimeError: no item 0"),
        ("text", "must have __len__ and __getitem__, or be a pair of arrays (inputs, targets), but it is int"),
        ("raises", "plugins.own_sets:raises failed: OSError: the drive is not mounted"),
        ("nan", "must be finite numbers, but one holds NaN or infinity"),
        ("unequal", "has 5 inputs, but 4 targets"),
        ("misspelt", "for train, validation and test, but has 'valdation' too"),
    ],
)
def test_functions_that_are_not_right(name, said):
    assert said in refusal(name)


def test_ranges_that_are_too_small():
    with pytest.raises(DataError, match=r"A token 49 of plugins.own_sets:tokens is not in 0\.\.39"):
        inputs_of(of("tokens", tokens=40))
    assert "The label 2 in the targets of plugins.own_sets:scenes is not in 0..1" in refusal(
        "scenes", kind="segmentation", classes=2
    )
    assert "a class for each pixel" in refusal("tokens", kind="segmentation")
    with pytest.raises(SettingError, match="must be module:name"):
        FromFunction(function="load")
