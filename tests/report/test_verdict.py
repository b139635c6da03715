"""The verdict of a page: what was found, how good it is, what it cost, and what chance finds for as much."""

import pytest

from archsieve.report.verdict import place_and_cost, verdict

TRUTH = {"value": 91.14, "rank": 30, "count": 729, "best": 92.607, "spread": None}
RESULT = {
    "best": "202220",
    "stages": [{"candidates": 729}],
    "truth": TRUTH,
    "metric": "accuracy in percent",
    "final_score": 91.0,
    "cost": {"network_epochs": 1390.0},
    "exhaustive_network_epochs": 13900.0,
    "random_search": {"networks": 65, "value": 90.21},
}


def test_its_first_sentence_says_what_was_found_for_what_and_how_good_beside_chance():
    assert verdict(RESULT, "digits") == (
        "The search found a network for digits that reaches an accuracy of 91.14 %, 0.93 more than random search "
        "finds on average at the same cost (90.21, 65 networks trained once)."
    )


def test_the_next_sentences_say_place_and_cost():
    assert place_and_cost(RESULT) == [
        "It is the 30th best of 729 networks whose truth is recorded; the best has 92.61.",
        "The search cost 10 % of training all candidates once.",
    ]
    assert place_and_cost({**RESULT, "truth": {**TRUTH, "rank": 1}})[0].startswith("It is the best of 729")
    assert place_and_cost({**RESULT, "best": None}) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"random_search": {"networks": 1, "value": 92.0}}, "0.86 less than random search finds on average"),
        ({"random_search": {"networks": 9, "value": 91.14}}, "the same as random search finds on average"),
        ({"truth": {**TRUTH, "spread": 0.5}}, "that is predicted to reach an accuracy of 91.14 ± 0.50 %"),
        (
            {"truth": None},
            "a network for digits that reaches an accuracy of 91.00 %.",
        ),
        ({"truth": None, "final_score": None}, "a network for digits whose quality was not measured."),
        ({"best": None}, "The search chose no network for digits because none could be scored."),
    ],
)
def test_other_ends(changed, said):
    assert said in verdict({**RESULT, **changed}, "digits")


def test_a_run_of_an_older_version_says_nothing_of_chance():
    older = {key: value for key, value in RESULT.items() if key != "random_search"}
    assert "random search" not in verdict(older, "digits")
