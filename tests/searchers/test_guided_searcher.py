"""The guided search: what it finds, what it asks features of, large spaces, earlier scores, and resuming."""

import time
from dataclasses import dataclass

import numpy as np
import pytest

from archsieve.errors import SettingError
from archsieve.searchers.contract import Candidates
from archsieve.searchers.guided_searcher import Guided
from archsieve.spaces.contract import SearchSpace


@dataclass(frozen=True)
class Wide(SearchSpace):
    """Decisions of four options; the order of the first two does not matter."""

    decisions: int = 6
    name = "wide"

    @property
    def choices(self):
        return (4,) * self.decisions

    def canonical(self, arch):
        return (*sorted(arch[:2]), *arch[2:])

    def build(self, arch, task):
        raise NotImplementedError


def truth(archs):
    return np.array([float(sum(a) + 2 * a[2] * a[3] - 3 * abs(a[4] - 2)) for a in archs])


def proxies(archs):
    """Return two noisy views of the truth, without a value for one network in seven."""
    codes = np.array(archs)
    noise = (codes @ np.arange(7, 7 + codes.shape[1]) * 37 % 101) / 12
    table = np.stack([truth(archs) + noise, codes.sum(axis=1) - noise], axis=1)
    table[codes.sum(axis=1) % 7 == 0, 1] = np.nan
    return table


class Asked:
    """Answers by `proxies`, and remembers of what."""

    def __init__(self):
        self.archs = []

    def __call__(self, archs):
        self.archs += archs
        return proxies(archs)


def run(searcher, candidates, budget, score=truth, seed=0):
    search, told = searcher.begin(candidates, np.random.default_rng(seed)), {}
    while len(told) < budget and (archs := search.ask(budget - len(told))):
        scores = score(archs)
        search.tell(archs, scores)
        told |= zip(archs, scores, strict=True)
    return told


TWO = ("one", "other")


def test_it_finds_the_best_of_a_space_with_a_fraction_of_it():
    space = Wide()
    best = max(truth([space.canonical(tuple(map(int, a))) for a in np.ndindex(space.choices)]))
    found = [max(run(Guided(TWO), Candidates(space, answers=proxies), 60, seed=s).values()) for s in range(5)]
    assert found == [best] * 5  # of 2,560 networks


def test_noise_ties_and_failures_do_not_stop_it():
    rng = np.random.default_rng(0)

    def rough(archs):
        scores = np.round((truth(archs) + rng.normal(0, 2, len(archs))) / 4)
        return np.where(rng.random(len(archs)) < 0.15, np.nan, scores)

    told = run(Guided(TWO), Candidates(Wide(), answers=proxies), 60, rough)
    assert len(told) == 60
    assert truth(list(told)).max() >= 0.9 * truth([(3, 3, 3, 3, 2, 3)])[0]


def test_no_network_is_asked_for_twice_and_all_are_in_the_end():
    archs = [(0, b, c, 0, 0, 0) for b in range(4) for c in range(4)]
    told = run(Guided(TWO, population=5), Candidates(Wide(), archs, proxies), 99)
    assert sorted(told) == sorted(archs)


SOME = [(0, b, c, d, 0, 0) for b in range(4) for c in range(4) for d in range(2)]
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("scores", "features"),
    [
        ([NAN], [NAN, NAN]),
        ([1.0], [3.0, 3.0]),
        ([INF, -INF, NAN, 2.0], [INF, -INF]),
        ([1e308, -1e308], [1e308, -1e308]),
    ],
    ids=["nothing", "constant", "infinite", "huge"],
)
@pytest.mark.parametrize("settings", [{}, {"earlier": 1}, {"listed": 9, "sample": 9, "screened": 4}])
def test_values_that_tell_nothing_do_not_stop_it(scores, features, settings):
    def of(values):
        return lambda archs: np.array([[values[(sum(a) + k) % len(values)] for k in range(2)] for a in archs])

    is_open = "listed" in settings
    candidates = Candidates(Wide(), None if is_open else SOME, of(features))
    told = run(Guided(TWO, **settings), candidates, 15, lambda archs: of(scores)(archs)[:, 0])
    assert len(told) == 15
    assert is_open or set(told) <= set(SOME)


@pytest.mark.parametrize("archs", [[], SOME[:1], SOME[:2]], ids=["none", "one", "two"])
@pytest.mark.parametrize("names", [TWO, ()], ids=["features", "code"])
def test_few_candidates_are_all_asked_for(archs, names):
    assert list(run(Guided(names), Candidates(Wide(), archs, proxies), 10**6)) in (archs, archs[::-1])


def test_the_first_batch_is_of_the_best_by_mean_rank():
    asked = Asked()
    search = Guided(TWO, share=0.05).begin(Candidates(Wide(), answers=asked), np.random.default_rng(3))
    first = search.ask(99)
    assert len(first) == 8
    assert len(asked.archs) == len(set(asked.archs)) == 2560  # all networks, once
    columns = np.nan_to_num(proxies(asked.archs), nan=-99.0).T
    places = np.mean([np.argsort(np.argsort(column)) for column in columns], axis=0)
    best = {asked.archs[i] for i in np.argsort(-places)[:300]}
    assert set(first) < best


def test_a_space_too_large_to_list_is_sampled_and_few_are_described():
    space, asked = Wide(decisions=40), Asked()
    guided = Guided(TWO, sample=50, screened=12)
    told = run(guided, Candidates(space, answers=asked), 40)
    assert len(asked.archs) == len(set(asked.archs)) <= guided.describes(40, 4**40) == 50 + 12 * 8
    assert guided.describes(40, 2560) == 2560
    chance = np.random.default_rng(5)
    at_random = [max(truth([space.sample(chance) for _ in range(40)])) for _ in range(9)]
    assert max(told.values()) > np.median(at_random)


def test_without_features_the_code_alone_guides():
    def never(archs):
        raise AssertionError("features were asked for")

    space = Wide()
    told = run(Guided(()), Candidates(space, answers=never), 80)
    assert max(told.values()) == truth([(3, 3, 3, 3, 2, 3)])[0]
    assert len(run(Guided(()), Candidates(Wide(decisions=40)), 20)) == 20


def with_short_trainings(seed):
    """Return 120 networks with a noisy score of a short training each."""
    space, rng = Wide(), np.random.default_rng(seed)
    archs = list(dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(120)))
    return archs, dict(zip(archs, truth(archs) + rng.normal(0, 4, len(archs)), strict=True))


def test_earlier_scores_lead_and_are_smoothed():
    guided, gains = Guided(("short",), population=8, batch=2, earlier=1), []
    for seed in range(8):
        archs, short = with_short_trainings(seed)
        candidates = Candidates(Wide(), archs, lambda asked, short=short: np.array([[short[arch]] for arch in asked]))
        asked = list(run(guided, candidates, 12))
        assert asked == list(run(guided, candidates, 12, seed=9))  # nothing is drawn
        by_score = sorted(archs, key=short.get)[-8:]
        gains.append(truth(asked[:8]).mean() - truth(by_score).mean())
    assert np.mean(gains) > 0.5


def test_earlier_scores_are_those_of_an_earlier_stage():
    guided = Guided((*TWO, "short"), earlier=1)
    with pytest.raises(SettingError, match="needs candidates that an earlier stage has scored"):
        guided.begin(Candidates(Wide(decisions=40), answers=proxies), np.random.default_rng(0))


def test_it_goes_on_from_what_another_processor_would_not_have_asked_for():
    space = Wide()
    strange = [(0, 0, 0, 0, 0, k % 4) for k in range(3)] + [(1, 1, 1, k, 0, 0) for k in range(4)]
    search = Guided(TWO, population=4, batch=3).begin(Candidates(space, answers=proxies), np.random.default_rng(0))
    search.tell(strange, truth(strange))
    following = search.ask(9)
    assert len(following) == 3
    assert not set(following) & set(strange)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 0}, "population"),
        ({"batch": 0}, "batch"),
        ({"share": 0.0}, "`0 < share <= 1` must hold"),
        ({"share": "some"}, "`share` must be a number, but is the text 'some'"),
        ({"deviations": float("nan")}, "`deviations` must be a finite number"),
        ({"deviations": "half"}, "`deviations` must be a number"),
        ({"features": ("nwot",), "earlier": 2}, "more than the number of features, but got earlier=2, 1 features"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(SettingError, match=message):
        Guided(**settings)


def test_an_ask_takes_less_than_a_second():
    space, rng = Wide(decisions=14), np.random.default_rng(0)
    archs = list(dict.fromkeys(space.canonical(space.sample(rng)) for _ in range(10_000)))
    search = Guided(TWO).begin(Candidates(space, archs, proxies), rng)
    search.tell(archs[:500], truth(archs[:500]))
    began = time.process_time()
    assert len(search.ask(9)) == 4
    assert time.process_time() - began < 5  # .5 s alone on a processor; tests share one
