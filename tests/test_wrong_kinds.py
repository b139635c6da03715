"""A value of another kind, on the public face: a sentence that says what it is, what it must be, and what to write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archsieve import (
    AZNAS,
    PROXIES,
    SPACES,
    Candidates,
    Limits,
    Lookup,
    MeanRank,
    Plan,
    Pool,
    Predictor,
    RegularisedSwap,
    Replay,
    Session,
    Size,
    Stage,
    Vote,
    Within,
    ZeroCost,
    differential_evolution,
    enumerate_space,
    funnel_search,
    judge,
    kendall_tau,
    load_plan,
    minimum_keeping_ratio,
    proxy,
    random_search,
    regularized_evolution,
    run_funnel,
    run_plan,
)
from archsieve.errors import ArchsieveError, SettingError
from archsieve.spaces.contract import check_space
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from archsieve.values import offers

SPACE = NASBenchMacro(stem_width=4, widths=(4, 4), stages=(1, 1), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=40)
NWOT = ZeroCost("nwot", batch_size=8)
STAGE = Stage(NWOT, top=1)
RNG = np.random.default_rng(0)
NAME = "is the text 'nwot': write archsieve.ESTIMATORS['nwot']()"


def best(archs):
    return [sum(arch) for arch in archs]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    with Session(tmp_path_factory.mktemp("run"), SPACE, TASK) as opened:
        yield opened


OF_SESSIONS = {
    "one estimator": (
        lambda s: s.scores(NWOT, [(0, 0)]),
        "must be a list of estimators, but is of type ZeroCost: write [estimator]",
    ),
    "its name": (
        lambda s: s.scores("nwot", [(0, 0)]),
        "`estimators` must be a list of estimators, but is the text 'nwot'",
    ),
    "a list of names": (lambda s: s.scores(["nwot"], [(0, 0)]), f"{NAME}, or of a proxy archsieve.ZeroCost('nwot')"),
    "a class": (lambda s: s.scores([Vote], [(0, 0)]), "is the class Vote: write Vote()"),
    "nothing": (lambda s: s.scores([None], [(0, 0)]), "must be an estimator, but is None"),
    "one code": (
        lambda s: s.scores([NWOT], (0, 0)),
        "0 is not an architecture of nasbench-macro: an architecture is a tuple",
    ),
    "one text": (lambda s: s.scores([NWOT], "00"), "must be a list of architectures, but is the text '00'"),
    "texts": (
        lambda s: s.scores([NWOT], ["00"]),
        "is not an architecture of nasbench-macro: it is text: read it with `space.parse`",
    ),
    "failures of a name": (lambda s: s.failures("nwot", [(0, 0)]), f"`estimator` must be an estimator, but {NAME}"),
    "told of a name": (lambda s: s.tell("nwot", (0, 0), 1.0), f"`estimator` must be an estimator, but {NAME}"),
    "told a text": (lambda s: s.tell(NWOT, (0, 0), "high"), "`score` must be a number, but is the text 'high'"),
    "judged by name": (lambda s: judge(s, "nwot"), "must be a list of estimators"),
    "one judged": (lambda s: judge(s, NWOT), "write [estimator]"),
    "a path for a plan": (
        lambda s: run_plan(Path("my.toml"), s),
        "is the path 'my.toml': read it by archsieve.load_plan('my.toml')",
    ),
    "a name for a plan": (lambda s: run_plan("demo", s), "read it by archsieve.load_plan('demo')"),
    "one stage": (
        lambda s: run_funnel(STAGE, [(0, 0)], s.scores),
        "must be a list of stages, but is of type Stage: write [stage]",
    ),
    "estimators for stages": (
        lambda s: run_funnel([NWOT], [(0, 0)], s.scores),
        "must be a stage, but is of type ZeroCost",
    ),
    "a word for a pool": (lambda s: run_funnel([STAGE], "all", s.scores), "of a session it is `session.pool()`"),
    "a session for its scores": (lambda s: funnel_search([STAGE], [(0, 0)], s), "of a session it is `session.scores`"),
}


@pytest.mark.parametrize(("call", "sentence"), OF_SESSIONS.values(), ids=OF_SESSIONS)
def test_what_a_session_is_asked_for(session, call, sentence):
    with pytest.raises(ArchsieveError) as caught:
        call(session)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


def opened(folder="unused", space=SPACE, task=TASK, **settings):
    return Session(folder, space, task, **settings)


OF_OTHERS = {
    "a space by name": (
        lambda: opened(space="darts"),
        "`space` must be a search space, but is the text 'darts': write archsieve.SPACES['darts']()",
    ),
    "a space's class": (lambda: opened(space=NASBenchMacro), "is the class NASBenchMacro: write NASBenchMacro()"),
    "a task by name": (
        lambda: opened(task="cifar10"),
        "`task` must be a task, but is the text 'cifar10': write archsieve.TASKS['cifar10']()",
    ),
    "task and space exchanged": (
        lambda: opened(space=TASK, task=SPACE),
        "`space` must be a search space, but is of type Synthetic",
    ),
    "no folder": (
        lambda: opened(SPACE, TASK, "folder"),
        "`folder` must be a path, but is of type NASBenchMacro: write Session(folder, space, task)",
    ),
    "a device that is no text": (
        lambda: opened(device=None),
        "`device` must be a text such as 'cpu' or 'cuda', but is None",
    ),
    "workers for an executor": (lambda: opened(executor=2), "`executor` must be an executor, but is 2"),
    "one plugin": (lambda: opened(plugins="mine.py"), "`plugins` must be a list of modules, but is the text 'mine.py'"),
    "one table": (lambda: opened(tables="mine"), "`tables` must be a list of score tables, but is the text 'mine'"),
    "a stage of a name": (lambda: Stage("nwot", top=1), NAME),
    "a stage of several": (lambda: Stage([NWOT], top=1), "must be one estimator, but is of type list"),
    "a share in words": (lambda: Stage(NWOT, keep="half"), "`keep` must be a number, but is the text 'half'"),
    "a number in words": (lambda: Stage(NWOT, top="one"), "`top` must be a whole number, but got top='one'"),
    "a plan of a space's name": (lambda: Plan("darts", TASK, (STAGE,)), "write archsieve.SPACES['darts']()"),
    "a plan of one stage": (lambda: Plan(SPACE, TASK, STAGE), "write [stage]"),
    "a plan of a number": (
        lambda: Plan(SPACE, TASK, (STAGE,), pool=200),
        "`pool` must be a pool, but is 200: write Pool(sample=200)",
    ),
    "a final by name": (
        lambda: Plan(SPACE, TASK, (STAGE,), final="partial_training"),
        "`final` must be an estimator, but is the text",
    ),
    "an evolution by name": (lambda: Pool(evolve="nwot"), NAME),
    "a plan read twice": (
        lambda: load_plan(Plan(SPACE, TASK, (STAGE,))),
        "`path` must be a path or a name, but is of type Plan",
    ),
    "a plan with one plugin": (
        lambda: load_plan("demo", "mine"),
        "`plugins` must be a list of modules, but is the text 'mine'",
    ),
    "a plan with one change": (
        lambda: load_plan("demo", (), "seed=1"),
        "`changes` must be a list of changes, but is the text 'seed=1'",
    ),
    "a vote by name": (lambda: Vote("nwot"), "`parts` must be a list of estimators, but is the text 'nwot'"),
    "a vote of names": (lambda: Vote(["nwot"]), NAME),
    "a vote of one": (lambda: Vote(NWOT), "write [estimator]"),
    "a quantile in words": (
        lambda: Vote([NWOT], quantile="half"),
        "`quantile` must be a number, but is the text 'half'",
    ),
    "a rank of names": (lambda: MeanRank(["nwot"]), NAME),
    "one weight": (lambda: MeanRank([NWOT], weights=1.0), "`weights` must be a list of numbers, but is 1.0"),
    "weights in words": (
        lambda: MeanRank([NWOT], weights=["all"]),
        "`weights` must be a number, but is the text 'all'",
    ),
    "a teacher by name": (lambda: Predictor("nwot"), NAME),
    "a proxy's number": (lambda: ZeroCost(3), "`proxy` must be the name of a proxy, but is 3"),
    "several proxies": (lambda: ZeroCost(["nwot"]), "`proxy` must be the name of a proxy, but is of type list"),
    "a proxy itself": (lambda: ZeroCost(PROXIES["nwot"]), "`proxy` must be the name of a proxy, but is of type Proxy"),
    "a batch in words": (
        lambda: ZeroCost("nwot", batch_size="8"),
        "`batch_size` must be a whole number, but got batch_size='8'",
    ),
    "an option's value": (lambda: ZeroCost("nwot", options="relu"), "`options` must be a mapping"),
    "a batch of a composite": (lambda: AZNAS(batch_size="8"), "`batch_size` must be a whole number"),
    "a share of swap": (lambda: RegularisedSwap("8"), "must be a number, but is the text '8'"),
    "epochs in words": (lambda: Replay("3"), "`epochs` must be a whole number, but got epochs='3'"),
    "a size nobody knows": (lambda: Size("parameters"), "`name` of a size must be one of params, macs"),
    "a column's number": (lambda: Lookup(3), "`column` must be a text, but is 3"),
    "a limit in words": (lambda: Limits(max_macs="600e6"), "`max_macs` must be a number, but is the text '600e6'"),
    "limits of a name": (lambda: Within("darts", TASK, Limits(max_macs=1e9)), "write archsieve.SPACES['darts']()"),
    "limits of a task's name": (
        lambda: Within(SPACE, "digits", Limits(max_macs=1e9)),
        "write archsieve.TASKS['digits']()",
    ),
    "limits as a mapping": (
        lambda: Within(SPACE, TASK, {"max_macs": 1e9}),
        "`limits` must be limits, but is of type dict",
    ),
    "all of a name": (lambda: enumerate_space("darts"), "write archsieve.SPACES['darts']()"),
    "a search of a name": (
        lambda: random_search("darts", best, budget=3, rng=RNG),
        "write archsieve.SPACES['darts']()",
    ),
    "a search by a name": (
        lambda: random_search(SPACE, "nwot", budget=3, rng=RNG),
        "must be a function that scores a list of architectures",
    ),
    "a search by an estimator": (
        lambda: regularized_evolution(SPACE, NWOT, budget=60, rng=RNG),
        "lambda archs: session.scores([estimator], archs)[:, 0]",
    ),
    "a seed for a generator": (
        lambda: differential_evolution(SPACE, best, budget=60, rng=0),
        "but is 0: write numpy.random.default_rng(0)",
    ),
    "candidates of a name": (lambda: Candidates("darts"), "write archsieve.SPACES['darts']()"),
    "a folder for a session": (
        lambda: judge("run", [NWOT]),
        "`session` must be an open session, but is the text 'run'",
    ),
    "a run in a folder": (lambda: run_plan(Plan(SPACE, TASK, (STAGE,)), "run"), "`session` must be an open session"),
    "scores in words": (lambda: kendall_tau(["a", "b"], [1, 2]), "must be two lists of numbers"),
    "one text of scores": (lambda: kendall_tau("12", "34"), "must be two lists of equal length"),
    "truth in words": (lambda: minimum_keeping_ratio([1, 2], ["x", "y"]), "must be two lists of numbers"),
    "a proxy of a number": (lambda: proxy(3), "`proxy` decorates a function, but got 3"),
    "a proxy of a name": (lambda: proxy("nwot"), "`proxy` decorates a function, but got the text 'nwot'"),
    "a catalogue by number": (lambda: SPACES[3], "There is no space 3"),
}


@pytest.mark.parametrize(("call", "sentence"), OF_OTHERS.values(), ids=OF_OTHERS)
def test_what_is_made_or_called(call, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArchsieveError) as caught:
        call()
    assert sentence in str(caught.value)
    assert not list(tmp_path.iterdir())  # no folder is claimed


def test_numbers_of_numpy_are_numbers():
    assert Stage(NWOT, keep=np.float32(0.5)).count(9) == 4
    assert Limits(max_macs=np.int64(9)).admits({"macs": 9})
    assert Vote((NWOT,), quantile=np.float64(0.5)).parts == (NWOT,)


class View:
    """Passes everything on to a task."""

    def __getattr__(self, name):
        return getattr(TASK, name)


class Slow:
    """Says what it is only after a while."""

    choices = property(lambda self: pytest.fail("it was computed"))
    build = None


def test_what_passes_on_is_taken_and_what_is_computed_is_not_asked():
    assert Plan(SPACE, View(), (STAGE,)).task.num_outputs == 4
    check_space(Slow())
    assert not offers(View(), "no_such_thing")


def test_the_errors_are_what_a_caller_guesses():
    with pytest.raises(ValueError, match="must be a search space"):
        enumerate_space(None)
    with pytest.raises(SettingError):
        Stage("nwot", keep=1)
