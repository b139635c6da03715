"""The lines at the end of a search: what is known of the winner, in plain values."""

import pytest

from archsieve.report.outcome import outcome, winner

RESULT = {
    "metric": "accuracy in percent",
    "higher_is_better": True,
    "best_score": 88.125,
    "best_score_kind": "metric",
    "chosen_by": "two epochs",
    "final_estimator": None,
    "final_score": None,
    "truth": None,
    "cost": {"network_epochs": None},
    "exhaustive_network_epochs": None,
    "random_search": None,
}
TRUTH = {
    "column": "mean",
    "benchmark": "table",
    "value": 90.5,
    "spread": None,
    "rank": 3,
    "count": 40,
    "best": 91.0,
    "caution": "",
}


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({}, "In the last stage, two epochs: accuracy in percent 88.12"),
        (
            {"best_score": 2.5, "best_score_kind": "relative"},
            "In the last stage, two epochs: score 2.5\n"
            "    It compares the candidates of that stage only; higher is better.",
        ),
        (
            {"best_score": 1234567.0, "best_score_kind": "score"},
            "In the last stage, two epochs: score 1,234,567\n    It only ranks candidates; higher is better.",
        ),
        (
            {"best_score": -0.5, "metric": "mean squared error", "higher_is_better": False},
            "In the last stage, two epochs: mean squared error 0.5 (lower is better)",
        ),
        ({"best_score_kind": ""}, "In the last stage, two epochs: score 88.125"),  # of an older run
    ],
)
def test_without_a_final_score_the_last_stage_is_told(changed, line):
    assert outcome({**RESULT, **changed}) == line.splitlines()


def test_where_no_stage_chose_nothing_is_told():
    assert outcome({**RESULT, "best_score": None, "best_score_kind": ""}) == []


def test_a_table_adds_true_value_and_rank():
    assert outcome({**RESULT, "truth": TRUTH})[1:] == ["mean of table: 90.50, rank 3 of 40 networks (best 91.00)"]


def test_a_final_score_costs_and_chance_follow():
    told = {
        "final_estimator": "partial_training[9, test]",
        "final_score": 87.0,
        "truth": {**TRUTH, "spread": 0.25, "caution": "A guess."},
        "cost": {"network_epochs": 2.25},
        "exhaustive_network_epochs": 9.0,
        "random_search": {"value": 89.0, "networks": 1},
    }
    assert outcome({**RESULT, **told})[1:] == [
        "Final accuracy in percent, by partial_training[9, test]: 87.00",
        "mean of table: 90.50 ± 0.25, rank 3 of 40 candidates (best 91.00)",
        "    A guess.",
        "Cost: 2.2 network-epochs, 25.0 % of training all candidates",
        "Random search at this cost finds 89.00 on average (1 network trained once)",
    ]


def test_the_winner_and_its_size():
    result = {"best": "a|b", "digits": "01", "winner_params": 1234, "winner_macs": 5_000_000}
    assert winner(result) == [
        "Best: 01",
        "    In the space's own notation: a|b",
        "    Size: 1,234 parameters, 5,000,000 multiply-adds",
    ]
    assert winner(result | {"winner_params": None})[-1] == "    Size: 5,000,000 multiply-adds"
    assert winner({"best": "01", "digits": "01"}) == ["Best: 01"]  # of an older run
