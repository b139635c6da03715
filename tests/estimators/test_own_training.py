"""Own training: what the function gets, what it may return, and what its failures cost."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from archsieve import Session
from archsieve.errors import MachineError, PlanError, ScoringError, SettingError, UnknownNameError
from archsieve.estimators.contract import Context, scores_metric
from archsieve.estimators.own_training import OwnTraining
from archsieve.estimators.training_function import function_of, source_of
from archsieve.fingerprints import fingerprint
from archsieve.networks.building import build_network
from archsieve.networks.settings import kept_settings
from archsieve.notices import listening
from archsieve.plans.parts import make
from archsieve.plans.read import plan_of
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
        ("nothing", "returned nothing (None): end it with `return score`"),
        ("several", "must return a number, but returned tensor([0., 0., 0.]) (Tensor)"),
        ("pair", "must return a number, but returned (2.5, 0.1) (tuple): return one of them"),
        ("by_name", "must return a number, but returned {'accuracy': 2.5} (dict): return one of its values"),
        ("truth", "must return a number, but returned np.True_ (bool)"),
        ("too_many_percent", "returned 101, but the accuracy in percent is in 0..100: return the metric itself"),
        ("leaves", "leaves ended Python by exit('no GPU') (trainings.py, line "),
    ],
)
def test_what_goes_wrong_is_a_sentence(tmp_path, name, said):
    assert said in reason(name, tmp_path)


FORMS = (
    "A batch of the task has inputs float32 (n, 3, 8, 8) and targets int64 (n), the network returns float32 (n, 3): "
    "make head, loss and targets fit each other"
)


@pytest.mark.parametrize(
    ("name", "said", "line", "advice"),
    [
        ("wrong_kind", "raised RuntimeError: expected ", "targets.int()", FORMS),
        ("wrong_loss", "raised ValueError: Target size (torch.Size([4])) must be the", "**options).b", FORMS),
        ("narrow_head", "raised IndexError: Target ", "outputs[:, :1]", FORMS),
        ("not_reduced", "raised RuntimeError: grad can be", "**options).b", "A loss must be one number: reduce it"),
        ("without_gradient", "raised RuntimeError: element 0 of", "**options).b", "outside of torch.no_grad()"),
        ("raises", "raised KeyError: 'momentum'", 'KeyError("momentum")', ""),
    ],
)
def test_a_loss_that_does_not_fit_says_where_and_what_the_forms_are(tmp_path, name, said, line, advice):
    text = reason(name, tmp_path)
    lines = Path(trainings.__file__).read_text().splitlines()
    place = 1 + next(i for i, text in enumerate(lines) if line in text)
    assert text.startswith(f"plugins.trainings:{name} {said}")
    assert f" (trainings.py, line {place})" in text
    assert text.endswith(advice or f"line {place})") or advice in text
    assert len(text) < 600


def test_the_whole_sentence_is_stored(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        session.scores([own("narrow_head")], CODES[:1])
        (stored,) = session.failures(own("narrow_head"), CODES[:1]).values()
    assert stored.endswith(FORMS)


@pytest.mark.parametrize("name", ["one_tensor", "as_numpy", "with_gradient"])
def test_a_number_may_be_of_any_kind(tmp_path, name):
    assert own(name).score(CODES[:1], Context(SPACE, TASK, tmp_path)).tolist() == [2.5]


def test_ctrl_c_is_passed_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        own("interrupted").score(CODES[:1], Context(SPACE, TASK, tmp_path))


def process_state():
    return (
        torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state()),  # noqa: NPY002
        torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_device(),
        torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(), list(warnings.filters),
        Path.cwd(),
    )  # fmt: skip


def test_what_it_changes_for_the_process_is_put_back(tmp_path):
    before = process_state()
    assert own("changes_all").score(CODES, Context(SPACE, TASK, tmp_path)).tolist() == [1, 1]
    assert process_state() == before
    with torch.device("meta"):
        with kept_settings():
            torch.set_default_device("cpu")
            assert not torch.empty(1).is_meta
        assert torch.empty(1).is_meta
    assert process_state() == before


def test_what_it_prints_goes_to_standard_error(tmp_path, capsys):
    own("prints").score(CODES, Context(SPACE, TASK, tmp_path))
    assert capsys.readouterr() == ("", "epoch 1 of 1\n" * 2)


def test_a_network_in_another_precision_is_kept_as_it_is(tmp_path):
    own("moves").score(CODES[:1], Context(SPACE, TASK, tmp_path))
    network, fresh = (build_network(SPACE, CODES[0], TASK, 0) for _ in range(2))
    load_checkpoint(tmp_path / "3-3-3-3-3-3.pt", network)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), fresh.parameters(), strict=True))
    assert {p.dtype for p in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["prunes", "empties"])
def test_weights_of_another_network_are_not_kept_and_it_is_said(tmp_path, name):
    own("fitted").score(CODES[:1], Context(SPACE, TASK, tmp_path))
    said = []
    with listening(said.append):
        assert own(name).score(CODES[:1], Context(SPACE, TASK, tmp_path)).tolist() == [1]
    assert not (tmp_path / "3-3-3-3-3-3.pt").exists()
    assert len(said) == 1
    assert f"{name} changed the tensors of the network (" in said[0]


def test_a_half_written_checkpoint_of_its_own_says_what_to_do(tmp_path):
    ctx = Context(SPACE, TASK, tmp_path)
    assert own("reads_a_checkpoint").score(CODES[:1], ctx).tolist() == [1]
    with pytest.raises(ScoringError) as caught:
        own("reads_a_checkpoint", 2).score(CODES[:1], ctx)
    folder = tmp_path / "3-3-3-3-3-3"
    said = str(caught.value)
    assert f"An earlier call left files in {folder}, and one may be half-written: delete that folder" in said
    assert "--retry-failed" in said


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
