"""Plans for a budget: what a budget pays for, by hand, and the file that the command writes."""

import json
import re
import time
import tomllib
from dataclasses import replace

import pytest

from archsieve import cli
from archsieve.design.annotated import annotated
from archsieve.design.budget import build, plan_for, reckoned, seconds_of
from archsieve.design.reasons import reasons_of
from archsieve.design.sizes import SHARES, Sizes, choose
from archsieve.design.timing import Timing, count_of
from archsieve.errors import ArchitectureError, SettingError
from archsieve.estimators.partial_training import PartialTraining
from archsieve.plans.contract import forecast
from archsieve.plans.read import load_plan
from archsieve.plans.write import plan_text
from archsieve.spaces.choices.space import OwnSpace
from archsieve.spaces.limits import Limits
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.sampling import draw_up_to
from archsieve.spaces.within import Within
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import invoke

RECIPE = PartialTraining(horizon=60, epochs=60)
SMALL = NASBenchMacro(stem_width=4, widths=(4, 4), stages=(2, 2), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=60)


class Clock:
    """Goes on by a fixed time at each look."""

    def __init__(self, tick):
        self.now, self.tick = 0.0, tick

    def __call__(self):
        self.now += self.tick
        return self.now


@pytest.mark.parametrize(
    ("text", "seconds"), [("8h", 28800), ("90m", 5400), ("1.5d", 129600), ("30s", 30), (" 2 min ", 120)]
)
def test_budgets_have_units(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["8", "h", "-3h", "0h", "8 weeks", ""])
def test_other_budgets_are_refused(text):
    with pytest.raises(SettingError, match="8h"):
        seconds_of(text)


def costs(sizes, timing):
    """Return the seconds of each part of a plan of one worker."""
    proxies = (sizes.pool or 10**5) * sum(timing.features[name] for name in sizes.features)
    short = sizes.short * sizes.short_epochs * sizes.data * timing.epoch
    return proxies, short, sizes.full * sizes.epochs * sizes.data * timing.epoch


@pytest.mark.parametrize("seconds", [200, 2_000, 20_000, 200_000])
def test_shares_of_a_budget(seconds):
    timing = Timing({"nwot": 0.01, "swap": 0.01, "jacov": 0.02}, 1.0)
    sizes = choose(timing, RECIPE, seconds, 1, 10**5, form="funnel")
    proxies, short, full = costs(sizes, timing)
    assert proxies <= SHARES["proxies"] * seconds * 1.001
    assert proxies + short + full <= seconds
    assert full <= SHARES["full"] * seconds * 1.001
    assert short >= 0.4 * seconds  # the rest is not wasted
    assert sizes.short_epochs == max(1, round(sizes.epochs / 12))


def test_by_hand():
    timing = Timing({"nwot": 0.1, "jacov": 5.0}, 2.0)
    sizes = choose(timing, RECIPE, 4000, 1, 10**5)
    assert (sizes.epochs, sizes.data, sizes.full) == (60, 1.0, 10)  # 0.3 * 4000 / 120; the winner is trained by then
    assert (sizes.short_epochs, sizes.short) == (5, 200)  # 0.8 * 4000 without ten full ones, each of 10
    assert (sizes.features, sizes.pool) == (("nwot",), 6000)  # jacov would leave 600 / 5.1 candidates


def test_a_small_budget_has_shorter_trainings_then_fewer_items_then_none():
    timing = Timing({"nwot": 0.001}, 10.0)
    short = choose(timing, RECIPE, 4000, 1, 10**5, form="funnel")
    assert (short.epochs, short.full, short.data) == (40, 3, 1.0)
    partial = choose(timing, RECIPE, 60, 1, 10**5, form="funnel")
    assert (partial.epochs, partial.full) == (1, 3)
    assert partial.data == pytest.approx(0.3 * 60 / 30)
    with pytest.raises(SettingError, match="seconds or more"):
        choose(timing, RECIPE, 4, 1, 10**5, form="funnel")


def test_scoring_is_paid_too():
    timing = Timing({"nwot": 0.1}, 2.0, scoring=10.0, final_scoring=30.0)
    sizes = choose(timing, RECIPE, 4000, 1, 10**5)
    assert sizes.full == (1200 - 30) // 130
    assert sizes.short == int((3200 - 9 * 130 - 30) / 20)
    with pytest.raises(SettingError, match="scoring 10"):
        choose(timing, RECIPE, 150, 1, 10**5)  # a third of it pays for the scoring of three, and not of the winner


def test_workers_pay_for_more():
    timing = Timing({"nwot": 0.1}, 2.0)
    one, four = (choose(timing, RECIPE, 4000, workers, 10**6, form="funnel") for workers in (1, 4))
    assert four.short > 3 * one.short
    assert four.pool > 3 * one.pool


def test_a_small_space_is_trained_whole():
    sizes = choose(Timing({"nwot": 0.1}, 2.0), RECIPE, 4000, 1, 40)
    assert (sizes.features, sizes.pool, sizes.short) == ((), None, 40)
    assert sizes.full <= 40


def test_many_complete_trainings_are_asked_for_one_by_one():
    timing = Timing({"nwot": 0.5, "jacov": 50.0}, 2.0, scoring=4.0, final_scoring=16.0, draw=0.5, start=20.0)
    sizes = choose(timing, RECIPE, 8_000, 1, 10**5)
    assert (sizes.form, sizes.epochs, sizes.data, sizes.features) == ("guided", 60, 1.0, ("nwot",))
    assert sizes.pool == 1197  # 0.15 * 7980 / 1, while jacov would leave 23
    assert sizes.full == 54  # (7980 - 1197 - 16) // 124
    assert choose(timing, RECIPE, 8_000, 2, 10**5).full == 109  # two at a time
    many = choose(timing, RECIPE, 8_000, 8, 10**5)
    assert (many.features, many.pool) == (("nwot",), 2128)  # 0.15 * 7980 / (0.5 + 0.5 / 8): one process draws
    assert many.full == 218  # (7980 - 1197 - 16) * 4 // 124: it asks for four at a time
    small = choose(timing, RECIPE, 8_000, 1, 50)
    assert (small.form, small.full, small.pool, small.features) == ("guided", 50, None, ())


def test_where_a_short_training_says_nothing_all_trainings_become_shorter():
    timing = Timing({"nwot": 0.001}, 2.0, scoring=1.0)
    sizes = choose(timing, RECIPE, 120, 1, 1_000)
    assert (sizes.form, sizes.epochs, sizes.full) == ("guided", 4, 13)  # (120 - 1) / 12 = 9.9 = 4 * 2 + 1 + 0.9
    nearest = choose(timing, RECIPE, 57, 1, 1_000)
    assert (nearest.epochs, nearest.full) == (2, 11)  # (57 - 1) / 12 = 4.67 = 1.83 * 2 + 1; 56 // 5, and not 18 of one
    tiny = choose(timing, RECIPE, 19, 1, 1_000)
    assert (tiny.form, tiny.epochs, tiny.full) == ("guided", 1, 12)
    assert tiny.data == pytest.approx(0.25)  # (19 - 1) / 12 = 1.5 = 1 + 0.25 * 2
    with pytest.raises(SettingError, match="seconds or more"):
        choose(timing, RECIPE, 14, 1, 1_000)


def test_a_supernet_needs_some_epochs():
    timing = Timing({}, 2.0, supernet=(10.0, 0.1))
    sizes = choose(timing, RECIPE, 600, 1, 10**5, form="supernet")
    assert (sizes.short_epochs, sizes.pool, sizes.full) == (30, 900, 3)  # 0.5 * 600 / 10; 0.15 * 600 / 0.1
    with pytest.raises(SettingError, match=r"pays for 14 of them, .* give a budget of 330 seconds or more"):
        choose(timing, RECIPE, 280, 1, 10**5, form="supernet")


@pytest.mark.parametrize("form", ["guided", "funnel", "supernet"])
def test_each_form_is_written_with_its_reasons(form):
    found = plan_for(SMALL, TASK, 60.0, clock=Clock(0.1), tables=False, form=form)
    text = annotated(plan_text(found.plan), found.reasons)
    written = r"(top|epochs|horizon|sample|seed|budget|population|fraction_of_data) = "
    numbers = [line for line in text.split("\n") if re.match(written, line)]
    assert all("  # " in line for line in numbers), text
    assert text.count("  # ") == len(found.reasons)  # none is without its line
    final = text[text.index("[final]") :]
    assert final.count("  # ") == sum(line.startswith(("epochs", "horizon", "fraction")) for line in final.split("\n"))
    labels = {"guided": ["full training"], "supernet": ["supernet", "full training"]}
    if form in labels:
        assert [stage.label for stage in found.plan.stages] == labels[form]
    assert (found.plan.stages[-1].search is not None) == (form == "guided")
    assert len(found.hours) == len(forecast(found.plan))


def test_a_setting_at_its_default_has_no_line_and_takes_no_comment_of_another():
    timing, sizes = Timing({}, 2.0, supernet=(1.0, 0.1)), Sizes((), 100, 3, 50, 3, 7, 1.0, "supernet")
    plan = build(SMALL, TASK, 0, RECIPE, sizes)
    text = annotated(plan_text(plan), reasons_of(plan, sizes, timing, set()))
    assert "epochs = 50" not in text  # the supernet's own
    assert text.split("[[stage]]")[2].count("epochs = 7  # the most with which the budget pays for 3") == 1
    assert "epochs = 7  # as the full training" in text


def test_a_space_without_a_supernet_says_so():
    space = OwnSpace("plugins.own_nets:plain", vary={"width": [4, 8]})
    with pytest.raises(SettingError, match="has no supernet"):
        plan_for(space, TASK, 20.0, clock=Clock(0.1), form="supernet")


def test_a_space_of_ones_own_is_searched_in_a_pool():
    space = OwnSpace("plugins.own_nets:Convolutions", explore=5)
    plan = plan_for(space, TASK, 60.0, clock=Clock(0.1), form="guided").plan
    assert not plan.is_open  # a search of the open space would draw thousands for each batch
    assert plan.pool.sample == plan.pool.count(space) > plan.stages[0].budget


def test_the_start_is_part_of_what_is_forecast():
    found = plan_for(SMALL, TASK, 60.0, clock=Clock(0.1), tables=False, began=-7.0)
    assert 7.0 < found.timing.start < 8.0
    with_workers = plan_for(SMALL, TASK, 60.0, clock=Clock(0.1), tables=False, began=-7.0, workers=2)
    assert with_workers.timing.start == pytest.approx(2 * found.timing.start)


def test_a_command_knows_when_its_process_started(monkeypatch):
    monkeypatch.setattr(cli, "app", lambda: None)
    monkeypatch.setattr(cli, "_began", [])
    monkeypatch.setattr("archsieve._interrupts.end_at_once_on_signals", lambda: None)
    assert cli.began() is None  # in a process that does more, nobody can tell what starting takes
    cli.main()
    assert time.perf_counter() - cli.began() == pytest.approx(time.process_time(), abs=2)


def test_the_plan_keeps_its_limits_and_says_why():
    space = Within(SMALL, TASK, Limits(max_params=3000))
    found = plan_for(space, TASK, 60.0, clock=Clock(0.1), tables=False)
    assert found.plan.space == space
    assert [s.label for s in found.plan.stages][-1] == "full training"
    assert found.plan.final.split == "test"
    assert len(found.hours) == len(found.plan.stages) + 1
    assert sum(found.hours) * 3600 < 60
    assert found.plan.stages[-1].estimator.horizon == found.plan.final.horizon


def test_what_there_is_no_time_to_time_again_is_reckoned():
    timing = Timing({"nwot": 0.1}, 2.0, scoring=1.0, final_scoring=3.0)
    sizes = choose(timing, RECIPE, 4000, 1, 10**5)
    found = plan_for(SMALL, TASK, 60.0, clock=Clock(0.1), tables=False, form="funnel")
    hours = [
        reckoned(found.plan, i, found.timing, replace(sizes, epochs=3, data=0.5), 2) for i in range(len(found.hours))
    ]
    timed = found.timing
    assert hours[-1] * 3600 == pytest.approx(timed.final_scoring)  # the winner is trained by then
    count = forecast(found.plan)[-2].candidates
    assert hours[-2] * 3600 == pytest.approx((timed.epoch * 1.5 + timed.scoring) * count / min(2, count))


def test_a_training_that_fails_is_a_sentence():
    class Broken(Synthetic):
        def loss(self, outputs, targets):
            raise ValueError("no loss")

    settings = {name: getattr(TASK, name) for name in ("shape", "num_outputs", "images")}
    with pytest.raises(SettingError, match="cannot be timed, since it fails: no loss"):
        plan_for(SMALL, Broken(**settings), 60.0, clock=Clock(0.1), tables=False)


def test_a_limit_that_no_network_keeps_is_its_own_sentence():
    space = Within(SMALL, TASK, Limits(max_macs=1))
    with pytest.raises(ArchitectureError, match=r"^No architecture of .* with macs <= 1 was found: the nearest has"):
        plan_for(space, TASK, 20.0, clock=Clock(0.01), tables=False)


def test_comments_go_to_the_lines_in_order():
    text = annotated("top = 3\nepochs = 2\ntop = 1", [("top = ", "first"), ("epochs = ", "two"), ("top = ", "second")])
    assert text.split("\n") == ["top = 3  # first", "epochs = 2  # two", "top = 1  # second"]


def test_the_command_writes_a_plan_that_is_run(tmp_path):
    out = tmp_path / "my.toml"
    sizes = ["stem_width=4", "widths=[4,4]", "stages=[1,1]", "head_width=8", "task.train_fraction=0.1"]
    settings = [word for text in sizes for word in ("--set", text)]
    found = invoke("plan", "nasbench-macro", "--task", "digits", "--budget", "10s", *settings, "--out", out, "--json")
    assert found.exit_code == 0, found.stderr
    report = json.loads(found.stdout)
    assert 0 < report["hours"] <= 1.2 * report["budget_hours"]
    lines = out.read_text().splitlines()
    numbers = [line for line in lines if line.startswith(("top = ", "epochs = ", "horizon = ", "sample = ", "seed = "))]
    assert numbers
    assert all("#" in line for line in numbers), numbers
    assert load_plan(out).task.train_fraction == 0.1
    assert tomllib.loads(out.read_text())["title"].startswith("Plan for a budget")
    wrong = invoke("plan", "nasbench-macro", "--budget", "soon", "--out", out)
    assert (wrong.exit_code, "8h" in wrong.stderr) == (1, True)


def test_a_pool_is_no_larger_than_what_a_limit_leaves_of_a_small_space_of_ones_own():
    class Costly(NASBenchMacro):
        is_costly_to_list = True

    limited = Within(Costly(stem_width=4, widths=(6, 8), stages=(1, 1), head_width=8), TASK, Limits(max_params=400))
    there = len(draw_up_to(limited, 0, 9))
    assert 0 < there < count_of(limited)
    pool = plan_for(limited, TASK, 3000.0, clock=Clock(2.0), tables=False).plan.pool
    assert pool.count(limited) <= there


def test_a_pool_is_no_larger_than_a_small_space_of_ones_own():
    space = OwnSpace("plugins.own_nets:plain", vary={"width": [4, 8], "depth": [1, 2]})
    assert count_of(space) == 4
