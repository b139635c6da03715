"""Own training: what the function gets, what it may return, and what its failures cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archsieve import Session
from archsieve.errors import MachineError, PlanError, ScoringError, SettingError, UnknownNameError
from archsieve.estimators.contract import Context, scores_metric
from archsieve.estimators.own_training import OwnTraining, function_of, source_of
from archsieve.fingerprints import fingerprint
from archsieve.networks.building import build_network
from archsieve.plans.read import make, plan_of
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.tasks.arrays import Arrays
from archsieve.tasks.synthetic import Synthetic
from archsieve.training.checkpoint import load_checkpoint
from plugins import trainings

SPACE = NASBench201(width=2, cells=1, stages=1)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=3, images=24, test_images=8)
CODES = [(3, 3, 3, 3, 3, 3), (1, 1, 1, 1, 1, 1)]


def own(name, budget=1, **settings):
    return OwnTraining(f"plugins.trainings:{name}", budget, **settings)


def reason(name, tmp_path, task=TASK, **settings):
    with pytest.raises(ScoringError) as caught:
        own(name, **settings).score(CODES[:1], Context(SPACE, task, tmp_path))
    return str(caught.value)


@pytest.fixture
def regression(tmp_path):
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((40, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "numbers.npz", x=inputs, y=inputs.mean((1, 2, 3)))
    return Arrays(file=str(tmp_path / "numbers.npz"), kind="regression")


def test_it_scores_by_what_the_function_returns(tmp_path):
    ctx = Context(SPACE, TASK, tmp_path)
    scores = own("fitted", 2).score(CODES, ctx)
    assert scores.shape == (2,)
    assert ((scores >= 0) & (scores <= 100)).all()
    assert own("one_tensor").score(CODES, ctx).tolist() == [2.5, 2.5]
    assert np.array_equal(scores, own("fitted", 2).score(CODES, ctx))


def test_what_it_draws_depends_on_the_seed_alone(tmp_path):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = own("drawn").score(CODES, Context(SPACE, TASK, tmp_path))
    other = own("drawn").score(CODES, Context(SPACE, TASK, tmp_path, seed=1))
    assert torch.equal(before, torch.get_rng_state())
    assert first[0] == first[1] != other[0]


def test_it_gets_the_arguments_that_it_names(tmp_path):
    assert own("told").score(CODES[:1], Context(SPACE, TASK, tmp_path, seed=4)).tolist() == [4.5]


def test_a_greater_budget_goes_on_in_the_same_folder(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        scores = [session.scores([own("resumed", budget)], CODES)[:, 0].tolist() for budget in (1, 3)]
    assert scores == [[1, 1], [13, 13]]


def test_the_weights_at_the_end_are_kept(tmp_path):
    ctx = Context(SPACE, TASK, tmp_path)
    own("fitted", 2).score(CODES[:1], ctx)
    path = tmp_path / "3-3-3-3-3-3.pt"
    network = build_network(SPACE, CODES[0], TASK, 0)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    assert load_checkpoint(path, network).epochs == 2
    assert any(not torch.equal(before[name], weight) for name, weight in network.state_dict().items())
    own("fitted", 2).forget(CODES[:1], ctx)
    assert not path.exists()


def test_a_folder_is_forgotten(tmp_path):
    ctx = Context(SPACE, TASK, tmp_path)
    own("resumed", 2).score(CODES, ctx)
    own("resumed", 2).forget(CODES[:1], ctx)
    assert own("resumed", 3).score(CODES, ctx).tolist() == [3, 23]


def test_only_what_goes_on_is_paid_for_once():
    assert own("resumed", 3).price(2, SPACE, TASK) == (6.0, 0.0)
    assert own("fitted", 3).price(2, SPACE, TASK) == (0.0, 6.0)


def test_an_error_is_a_metric_of_which_lower_is_better(tmp_path, regression):
    ctx = Context(SPACE, regression, tmp_path)
    assert own("quarter").score(CODES[:1], ctx).tolist() == [-0.25]
    assert own("negative", returns="score").score(CODES[:1], ctx).tolist() == [-0.25]
    assert scores_metric(own("quarter"))
    assert not scores_metric(own("quarter", returns="score"))


def test_an_error_below_zero_is_refused(tmp_path, regression):
    said = reason("negative", tmp_path, regression)
    assert "returned -0.25, but the mean absolute error is never below 0" in said
    assert "returns = 'score'" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "plugins.trainings:raises raised KeyError: 'momentum'"),
        ("opens_nothing", "raised FileNotFoundError: [Errno 2] No such file or directory: 'no/such/file'"),
        ("nan", "returned nan: the training diverged, or there was nothing to score"),
        ("text", "must return a number, but returned 'good' (str)"),
        ("nothing", "must return a number, but returned nothing"),
        ("several", "must return a number, but returned tensor([0., 0., 0.]) (Tensor)"),
    ],
)
def test_what_goes_wrong_is_a_sentence(tmp_path, name, said):
    assert said in reason(name, tmp_path)


def test_a_failure_costs_that_network_alone(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        scores = session.scores([own("raises_now_and_then")], CODES)[:, 0]
    assert scores[0] == 1
    assert np.isnan(scores[1])


def test_a_full_disk_ends_the_run(tmp_path):
    with pytest.raises(MachineError, match=r"No space left on device\. No network is to blame\. Make room on the disk"):
        own("no_room").score(CODES[:1], Context(SPACE, TASK, tmp_path))


def test_a_change_of_the_source_is_another_estimator(monkeypatch):
    before = fingerprint(own("fitted"))
    assert before == fingerprint(own("fitted"))
    assert len({before, fingerprint(own("fitted", 2)), fingerprint(own("fitted", revision=2))}) == 3
    monkeypatch.setattr(trainings, "fitted", trainings.drawn)
    assert fingerprint(own("fitted")) != before
    assert source_of(len) == source_of(len) != source_of(max)


def test_names_that_are_not_there():
    with pytest.raises(UnknownNameError, match=r"has no 'fited'\. Did you mean 'fitted'\?"):
        function_of("plugins.trainings:fited")
    with pytest.raises(UnknownNameError, match=r"There is no module 'nowhere': add --plugin nowhere\.py"):
        function_of("nowhere:train")
    with pytest.raises(SettingError, match="must be a function"):
        function_of("plugins.trainings:NUMBER")
    with pytest.raises(SettingError, match="must be module:name"):
        OwnTraining("train")
    with pytest.raises(SettingError, match="must be 'metric' or 'score'"):
        own("fitted", returns="loss")


def test_a_function_of_other_arguments_is_refused(tmp_path):
    with pytest.raises(SettingError, match=r"must be called as train\(network, task, budget\)"):
        own("too_few").score(CODES[:1], Context(SPACE, TASK, tmp_path))


def test_a_plan_runs_it_only_if_the_command_line_names_the_code():
    table = {"name": "own_training", "function": "plugins.trainings:fitted", "budget": 3}
    with pytest.raises(PlanError, match=r"would run code of the module 'plugins.trainings', which no --plugin names"):
        make("estimator", table)
    assert make("estimator", table, ["plugins.trainings"]) == own("fitted", 3)
    plan = {"space": "nasbench201", "task": "digits", "stage": [{"estimator": table, "top": 1}]}
    assert plan_of(plan, ["plugins.trainings"]).stages[0].estimator.budget == 3
