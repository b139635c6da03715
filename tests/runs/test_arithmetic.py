"""TF32 and cuDNN: stated while scores are computed, in workers too, and given back."""

from __future__ import annotations

import pytest
import torch

from archsieve.estimators.chance import Chance
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.size import MACS
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.runs.arithmetic import LAYOUT, Arithmetic, kind_of, place_of

FAST = Arithmetic(tf32=True, deterministic=False, benchmark=True)
NEW_NAMES = hasattr(torch.backends.cudnn, "conv")

LAID_OUT = {"layout": LAYOUT}


def settings():
    backends = torch.backends
    products, cudnn = backends.cuda.matmul, backends.cudnn
    new = [part.fp32_precision for part in (products, cudnn.conv, cudnn.rnn)] if NEW_NAMES else []
    try:
        old = [torch.get_float32_matmul_precision(), products.allow_tf32, cudnn.allow_tf32]
    except RuntimeError:  # set by the new names
        old = []
    return [*old, *new, cudnn.deterministic, cudnn.benchmark]


@pytest.fixture(autouse=True)
def given_back():
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
    yield
    if NEW_NAMES:
        torch.backends.cuda.matmul.fp32_precision = "ieee"
        cudnn.conv.fp32_precision = cudnn.rnn.fp32_precision = "tf32" if before[1] else "ieee"
    torch.set_float32_matmul_precision(before[0])
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before[1:]


def test_exact_and_deterministic_unless_told():
    with FAST.applied(), Arithmetic().applied():
        cudnn = torch.backends.cudnn
        assert (cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark) == (False, True, False)
        assert (torch.get_float32_matmul_precision(), torch.backends.cuda.matmul.allow_tf32) == ("highest", False)


def test_fast_where_told():
    with FAST.applied():
        cudnn = torch.backends.cudnn
        assert (cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark) == (True, False, True)
        assert torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("arithmetic", [Arithmetic(), FAST])
@pytest.mark.parametrize("theirs", ["highest", "high", "medium"])
def test_the_callers_settings_come_back(arithmetic, theirs):
    torch.set_float32_matmul_precision(theirs)
    torch.backends.cudnn.benchmark = not arithmetic.benchmark
    with Arithmetic(tf32=theirs == "highest").applied():
        pass  # the new name of products is stated once: "none" and "ieee" are one
    before = settings()
    with arithmetic.applied():
        assert settings() != before
    assert settings() == before


@pytest.mark.skipif(not NEW_NAMES, reason="this torch has no fp32_precision")
@pytest.mark.parametrize("arithmetic", [Arithmetic(), FAST])
def test_settings_by_the_new_names_come_back(arithmetic):
    torch.backends.cudnn.conv.fp32_precision, torch.backends.cudnn.rnn.fp32_precision = "ieee", "tf32"
    before = settings()
    with arithmetic.applied():
        wanted = "tf32" if arithmetic.tf32 else "ieee"
        assert torch.backends.cudnn.conv.fp32_precision == torch.backends.cuda.matmul.fp32_precision == wanted
    assert settings() == before


def test_settings_come_back_after_an_error():
    before = settings()

    def fail():
        with FAST.applied():
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert settings()[-2:] == before[-2:]


def test_what_the_scores_depend_on():
    assert Arithmetic().changes() == {}
    assert FAST.changes() == {"tf32": True, "deterministic": False, "benchmark": True}


def test_kinds():
    assert [kind_of(d) for d in ("cpu", "cuda", "cuda:3", "mps", "mps:0")] == ["cpu", "cuda", "cuda", "mps", "mps"]


COMPUTED = [ZeroCost("nwot"), OneShot(), PartialTraining(), Predictor(ZeroCost("nwot"))]
THE_SAME = [MACS(), Chance(), Lookup("acc"), Replay(), Predictor(MACS())]


@pytest.mark.parametrize("estimator", [*COMPUTED, *THE_SAME])
def test_on_a_cpu_nothing_is_added(estimator):
    assert place_of(estimator, "cpu", FAST, ["a table"]) == []


@pytest.mark.parametrize("estimator", COMPUTED)
def test_what_is_computed_there_says_where(estimator):
    assert place_of(estimator, "cuda:1", Arithmetic(), []) == [{"device": "cuda", **LAID_OUT, "tables": []}]
    assert place_of(estimator, "mps", Arithmetic(tf32=True), []) == [
        {"device": "mps", **LAID_OUT, "tf32": True, "tables": []}
    ]
    assert place_of(estimator, "cuda", Arithmetic(), ["x"]) == [{"device": "cuda", **LAID_OUT, "tables": ["x"]}]


@pytest.mark.parametrize("estimator", THE_SAME)
def test_what_runs_nothing_there_has_one_key(estimator):
    assert place_of(estimator, "cuda", FAST, []) == []


def test_a_predictor_is_its_teachers():
    mixed = Vote((MACS(), ZeroCost("nwot")))
    assert place_of(Predictor(mixed), "cuda", Arithmetic(), []) != []
    assert place_of(Predictor(Vote((MACS(), Chance()))), "cuda", Arithmetic(), []) == []


def test_an_estimator_that_says_nothing_computes_there():
    class Theirs:
        name, version = "theirs", 1

    assert place_of(Theirs(), "mps", Arithmetic(), []) == [{"device": "mps", **LAID_OUT, "tables": []}]
