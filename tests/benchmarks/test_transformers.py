"""NAS-Bench-BERT and ViT-Bench-101: a user's files in the published layouts, and what is refused of them."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest

from archsieve.benchmarks.bert import GLUE, SCORES_FILE
from archsieve.benchmarks.transformers import AUTOFORMER_CIFAR100, PIT_CHAOYANG, PIT_CIFAR100, PIT_FLOWERS
from archsieve.errors import DataError
from archsieve.notices import listening
from archsieve.registry import BENCHMARKS
from archsieve.testing import BenchmarkContract
from plugins.commands import invoke

BERT, AUTOFORMER, PIT = GLUE.space, AUTOFORMER_CIFAR100.space, PIT_CIFAR100.space
RNG = np.random.default_rng(0)
ENCODERS = list(dict.fromkeys(BERT.sample(RNG) for _ in range(40)))
TRUTH = 60 + 10 * RNG.random(len(ENCODERS))


def encoder(number, text, glue, **changed):
    """Return an entry as NAS-Bench-BERT's JSON has it."""
    hidden, layers = text.split(":")
    parts = [layer.split("-") for layer in layers.split(",")]
    return {
        "id": number,
        "completed": True,
        "time_to_train": 3000.5 + number,
        "scores": {"glue": glue} | {task: glue + 2 * place - 7 for place, task in enumerate(GLUE.columns[1:9])},
        "hparams": {
            "learning_rate": 0.0005,
            "model_hparam_overrides": {
                "hidden_size": int(hidden),
                "nas_config": {
                    "encoder_layers": [
                        {
                            "operation_type": kind,
                            "operation_parameter": int(parameter) if parameter.isdigit() else parameter,
                            "num_operation_heads": int(heads),
                            "feed_forward_dimension": int(width),
                            "num_feed_forward": int(stacks),
                        }
                        for kind, parameter, heads, width, stacks in parts
                    ]
                },
            },
        },
        **changed,
    }


def encoders():
    return [encoder(i, BERT.describe(arch), TRUTH[i]) for i, arch in enumerate(ENCODERS)]


def write(folder, entries, benchmark=GLUE):
    (folder / benchmark.source.file).write_text(json.dumps(entries), encoding="utf-8")


def write_scores(folder, **columns):
    with (folder / SCORES_FILE).open("w", newline="") as stream:
        csv.writer(stream).writerows([list(columns), *zip(*columns.values(), strict=True)])


def test_the_published_entry_of_the_first_network(folder):
    text = "256:SA-WMA-4-1024-3,LT-DCT-2-512-3,SA-SDP-4-512-3,SA-SDP-4-1024-1"
    write(folder, [encoder(0, text, 74.73375), encoder(1, "128:DSC-9-4-512-1,DSC-5-2-512-1", -20.0)])
    table = GLUE.load()
    assert table.lookup("glue", [BERT.parse(text)]).tolist() == [74.73375]
    assert table.row(BERT.parse(text))["training_seconds"] == 3000.5
    assert [BERT.describe(arch) for arch in table.archs] == [text, "128:DSC-9-4-512-1,DSC-5-2-512-1"]


def test_scores_are_joined_by_id(folder):
    write(folder, encoders())
    ids = list(range(len(ENCODERS)))[::-1]
    write_scores(folder, ID=ids, **{"GLUE Score": TRUTH[::-1], "Synaptic Diversity": [n * 2.0 for n in ids]})
    assert GLUE.load().lookup("Synaptic Diversity", ENCODERS[3:5]).tolist() == [6.0, 8.0]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"ID": range(len(ENCODERS)), "GLUE Score": TRUTH[::-1]}, "its rows belong to other networks"),
        ({"ID": range(1, 1 + len(ENCODERS)), "GLUE Score": TRUTH}, "its rows belong to other networks"),
        ({"ID": range(len(ENCODERS)), "mine": TRUTH}, "lacks the column 'GLUE Score'"),
        ({"number": range(len(ENCODERS)), "GLUE Score": TRUTH}, "lacks the columns ID"),
        ({"ID": [0, *range(len(ENCODERS))], "GLUE Score": [TRUTH[0], *TRUTH]}, "holds the ID '0' twice"),
        ({"ID": [f"n{i}" for i in range(9)], "GLUE Score": TRUTH[:9]}, "has none of the networks: its IDs are such as"),
        ({"ID": range(len(ENCODERS)), "GLUE Score": ["", *TRUTH[1:]]}, "its rows belong to other networks"),
    ],
    ids=[
        *("rows reversed", "shifted by one", "no proof", "no ID"),
        *("an ID twice", "other IDs", "a GLUE score is missing"),
    ],
)
def test_a_wrong_join_of_scores_is_refused(folder, columns, sentence):
    write(folder, encoders())
    write_scores(folder, **columns)
    with pytest.raises(DataError, match=sentence):
        GLUE.load()


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([encoder(0, "256:SA-DFT-4-1024-3,LT-DCT-2-512-3", 70.0)], "another form"),
        ([encoder(0, "512:SA-SDP-4-1024-3,LT-DCT-2-512-3", 70.0)], "another form"),
        ([encoder(0, "256:SA-SDP-4-1024-3", 70.0)], "another form"),
        ([encoder(0, "256:SA-SDP-4-1024-3,LT-DCT-2-512-3", 70.0, hparams={})], "another form"),
        ([encoder(0, "256:SA-SDP-4-1024-3,LT-DCT-2-512-3", 70.0, scores=[1])], "an object is expected"),
        ([encoder(0, "256:SA-SDP-4-1024-3,LT-DCT-2-512-3", 170.0)], "a number from -100 to 100 is expected"),
        ([encoder(0, "256:SA-SDP-4-1024-3,LT-DCT-2-512-3", 70.0, scores={})], "lacks the columns glue"),
        ([encoder(i, BERT.describe(arch), 0.7) for i, arch in enumerate(ENCODERS)], "where percent are expected"),
        ([encoder(0, BERT.describe(arch), 70.0) for arch in ENCODERS[:2]], "holds the id 0 twice"),
        ({"0": 1}, "a list is expected"),
        ([7], "an object is expected"),
        ([], "lacks the columns"),
    ],
    ids=[
        *("operation", "hidden size", "one layer", "no model", "scores of another form"),
        *("above 100", "no scores", "fractions", "an id twice", "an object", "a number", "empty"),
    ],
)
def test_other_files_are_refused(folder, entries, sentence):
    write(folder, entries)
    with pytest.raises(DataError, match=sentence):
        GLUE.load()


def with_scores(change):
    """Return the entries, the fourth of which has other scores."""
    entries = encoders()
    entries[3]["scores"] = change(dict(entries[3]["scores"]))
    return entries


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda scores: scores | {"glue": scores["glue"] / 100}, r"as glue of .*: write percent, not a fraction"),
        (lambda scores: {task: value / 100 for task, value in scores.items()}, "write percent, not a fraction"),
        (lambda scores: scores | {"mnli": scores["mnli"] / 100}, r"as mnli of .*: write percent, not a fraction"),
        (lambda scores: scores | {"glue": scores["glue"] + 1}, "but the mean of its eight tasks is"),
        (lambda scores: scores | {"sts": scores["sts"] / 100}, "but the mean of its eight tasks is"),
        (lambda scores: scores | {"mnli": 170}, "holds 170.0 as mnli"),
        (lambda scores: scores | {"cola": float("inf")}, "holds inf as cola"),
        (lambda scores: scores | {"glue": True}, "'glue': True and False are no numbers, in row 4"),
    ],
    ids=[
        *("glue as a fraction", "all as fractions", "a task as a fraction", "another glue", "a correlation"),
        *("above 100", "infinite", "a truth value"),
    ],
)
def test_one_wrong_score_among_right_ones_is_refused(folder, change, sentence):
    write(folder, with_scores(change))
    with pytest.raises(DataError, match=sentence):
        GLUE.load()


def test_a_task_without_a_score_is_read(folder):
    write(folder, with_scores(lambda scores: scores | {"rte": None}))
    assert np.isnan(GLUE.load().lookup("rte", ENCODERS[3:4])).all()


def test_negative_scores_are_read(folder):
    write(folder, with_scores(lambda scores: dict.fromkeys(scores, -2.0)))
    assert GLUE.load().lookup("glue", ENCODERS[3:4]) == -2.0


def test_errors_are_refused(folder):
    entries = encoders()
    for entry in entries:
        entry["scores"] = {task: 100 - value for task, value in entry["scores"].items()}
    write(folder, entries)
    with pytest.raises(DataError, match="less than a guess reaches: they are errors, or belong to another task"):
        GLUE.load()


def test_one_network_under_two_numbers_is_told(folder):
    entries = encoders()
    again = entries[3] | {"id": 900, "scores": {task: value + 1 for task, value in entries[3]["scores"].items()}}
    write(folder, [*entries, again])
    told = []
    with listening(told.append):
        table = GLUE.load()
    assert table.lookup("glue", ENCODERS[3:4]) == pytest.approx(TRUTH[3] + 0.5)
    assert told == [table.remarks[0]]
    assert told[0].endswith("BERT_benchmark.json holds 1 networks more than once: each has the means of its values.")
    again["scores"] = {task: value + 4 for task, value in entries[3]["scores"].items()}
    write(folder, [*entries, again])
    _, apart = GLUE.load().remarks
    assert re.search(r"in entries 4, \d+ has .* as glue, more than 3 apart: one of them may belong to another", apart)


def test_a_training_that_is_completed_by_halves_is_refused(folder):
    entries = encoders()
    entries[3]["completed"] = "false"
    write(folder, entries)
    with pytest.raises(DataError, match="holds 'false' for 'completed' of network 3, where true or false is expected"):
        GLUE.load()


def test_numbers_that_a_spreadsheet_wrote_are_joined(folder):
    write(folder, encoders())
    write_scores(folder, ID=[f"{i}.0" for i in range(len(ENCODERS))], **{"GLUE Score": TRUTH, "mine": TRUTH * 2})
    assert GLUE.load().lookup("mine", ENCODERS[3:4]) == TRUTH[3] * 2


def test_scores_do_not_replace_those_of_the_benchmark(folder):
    write(folder, encoders())
    write_scores(folder, ID=range(len(ENCODERS)), **{"GLUE Score": TRUTH, "mnli": TRUTH})
    with pytest.raises(DataError, match="has a column 'mnli', which the networks have too: give it another title"):
        GLUE.load()


def vision(space, arch, accuracy):
    """Return an entry as ViT-Bench-101's lists have it."""
    if space is PIT:
        base, ratio, layers, heads = space.describe(arch).split(":")
        lists = [[int(n) for n in part.split("-")] for part in (layers, heads)]
        names = {"base_dim": int(base), "mlp_ratio": int(ratio), "depth": lists[0], "num_heads": lists[1]}
    else:
        hidden, layers = space.describe(arch).split(":")
        pairs = [layer.split("-") for layer in layers.split(",")]
        names = {
            "hidden_dim": int(hidden),
            "depth": len(pairs),
            "mlp_ratio": [float(ratio) for ratio, _ in pairs],
            "num_heads": [int(heads) for _, heads in pairs],
        }
    return {"arch": names, "c100_kd_acc": accuracy, "c100_base_acc": accuracy - 5, "my_score": accuracy * 2}


@pytest.mark.parametrize("benchmark", [AUTOFORMER_CIFAR100, PIT_CIFAR100], ids=["autoformer", "pit"])
def test_vision_transformers_by_the_names_of_their_decisions(folder, benchmark):
    space = {AUTOFORMER.name: AUTOFORMER, PIT.name: PIT}[benchmark.space.name]
    archs = list(dict.fromkeys(space.sample(np.random.default_rng(seed)) for seed in range(15)))
    entries = [vision(space, arch, 60.0 + i) for i, arch in enumerate(archs)]
    write(folder, [*entries, vision(space, archs[0], 70.0)], benchmark)  # trained twice: the mean
    table = benchmark.load()
    assert table.lookup("c100_kd_acc", archs[:2]).tolist() == [65.0, 61.0]
    assert table.lookup("my_score", archs[1:2]).tolist() == [122.0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"arch": {"base_dim": 40, "mlp_ratio": 5, "depth": [1, 4, 2], "num_heads": [2, 2, 2]}}, "another form"),
        ({"arch": {"base_dim": 40, "mlp_ratio": 4, "depth": [4, 1, 2], "num_heads": [2, 2, 2]}}, "another form"),
        ({"arch": {"base_dim": 40, "mlp_ratio": 4, "depth": [1, 4, 2], "num_heads": [2, 2]}}, "another form"),
        ({"arch": [40, 4, 1, 4, 2, 2, 2, 2]}, "an object is expected"),
        ({"arch": {"base_dim": 40, "BASE_DIM": 16}}, "names a decision twice: base_dim, BASE_DIM"),
        ({"c100_kd_acc": 0.7}, "where percent are expected"),
        ({"c100_kd_acc": None}, "a number from 0 to 100 is expected|holds no number"),
        ({"c100_kd_acc": 10**400}, "holds more than numbers"),
    ],
    ids=[
        *("ratio", "stages exchanged", "two stages", "numbers without names", "a decision twice"),
        *("fractions", "missing", "too large"),
    ],
)
def test_other_vision_transformers_are_refused(folder, change, sentence):
    write(folder, [vision(PIT, (0,) * 8, 0.5) | change, vision(PIT, (1,) * 8, 0.6)], PIT_CIFAR100)
    with pytest.raises(DataError, match=sentence):
        PIT_CIFAR100.load()


def test_one_fraction_among_percent_is_refused(folder):
    write(folder, [vision(PIT, (0,) * 8, 0.7), vision(PIT, (1,) * 8, 70.0)], PIT_CIFAR100)
    with pytest.raises(DataError, match=r"holds 0\.7 as c100_kd_acc of .*write percent, not a fraction"):
        PIT_CIFAR100.load()


@pytest.mark.parametrize("column", ["c100_base_acc", "flower_kd_acc"])
def test_a_fraction_of_another_accuracy_is_refused_as_well(folder, column):
    entries = [vision(PIT, (i,) * 8, 70.0) | {column: value} for i, value in enumerate((60.0, 0.61))]
    write(folder, entries, PIT_CIFAR100)
    with pytest.raises(DataError, match=rf"holds 0\.61 as {column} of .*write percent, not a fraction"):
        PIT_CIFAR100.load()


def test_trainings_of_one_network_that_are_far_apart_are_told(folder):
    write(folder, [vision(PIT, (0,) * 8, value) for value in (50.0, 61.0)], PIT_CIFAR100)
    table = PIT_CIFAR100.load()
    assert "in entries 1, 2 has 50 and 61 as c100_kd_acc, more than 10 apart" in table.remarks[1]
    assert table.columns["c100_kd_acc"].tolist() == [55.5]


def test_accuracies_with_and_without_distillation_that_rank_networks_differently_are_told(folder):
    archs = list(dict.fromkeys(PIT.sample(np.random.default_rng(seed)) for seed in range(80)))
    accuracies = [60 + i / 10 for i in range(len(archs))]
    other = [100 - accuracy for accuracy in accuracies]
    pairs = zip(archs, accuracies, other, strict=True)
    write(folder, [vision(PIT, arch, right) | {"c100_base_acc": error} for arch, right, error in pairs], PIT_CIFAR100)
    (told,) = PIT_CIFAR100.load().remarks
    assert told.endswith("they should rank networks alike, but their rank correlation is -1.00.")
    low = [accuracy / 2 for accuracy in accuracies]  # without distillation, half of the accuracy is no fault
    pairs = zip(archs, accuracies, low, strict=True)
    write(folder, [vision(PIT, arch, right) | {"c100_base_acc": base} for arch, right, base in pairs], PIT_CIFAR100)
    assert PIT_CIFAR100.load().remarks == ()


def test_an_unknown_column_is_compared_with_those_of_the_file(folder):
    write(folder, [vision(PIT, (i,) * 8, 70.0 + i) | {"flower_kd_acc": 80.0 + i} for i in (0, 1)], PIT_CIFAR100)
    options = ("--benchmark", PIT_CIFAR100.name, "--truth", "flowers_kd_acc", "--lookup", "my_score")
    result = invoke("measure", "vitbench-pit", *options)
    assert "has a column 'flowers_kd_acc'. Did you mean 'flower_kd_acc'?" in " ".join(result.stderr.split())


def test_a_decision_that_is_not_there_is_named(folder):
    write(folder, [vision(AUTOFORMER, AUTOFORMER.sample(RNG), 70.0)], PIT_CIFAR100)
    with pytest.raises(DataError, match=r"another form \(hidden_dim, .*\): it lacks 'base_dim'"):
        PIT_CIFAR100.load()


def test_a_wrong_option_is_named(folder):
    arch = {"base_dim": 40, "mlp_ratio": 5, "depth": [1, 4, 2], "num_heads": [2, 2, 2]}
    write(folder, [{"arch": arch, "c100_kd_acc": 70.0}], PIT_CIFAR100)
    with pytest.raises(DataError, match=r"another form .*: 5 is none of 2, 4, 6, 8"):
        PIT_CIFAR100.load()


def test_every_data_set_has_its_own_truth(folder):
    entry = vision(PIT, (1,) * 8, 70.0) | {"flower_kd_acc": 80.0, "chaoyang_kd_acc": 85.0}
    write(folder, [entry], PIT_CIFAR100)
    values = [each.load().lookup(each.truth, [(1,) * 8])[0] for each in (PIT_CIFAR100, PIT_FLOWERS, PIT_CHAOYANG)]
    assert values == [70.0, 80.0, 85.0]


def test_networks_that_were_not_trained_on_a_data_set_are_left_out_of_its_table(folder):
    write(folder, [vision(PIT, (0,) * 8, 60.0), vision(PIT, (1,) * 8, 70.0) | {"flower_kd_acc": 80.0}], PIT_CIFAR100)
    assert len(PIT_CIFAR100.load().archs) == 2
    assert PIT_FLOWERS.load().archs == ((1,) * 8,)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHSIEVE_DATA", str(folder))
        write(folder, encoders())
        return GLUE.load()


class TestBERTTable(BenchmarkContract):
    benchmark = GLUE

    @pytest.fixture(autouse=True)
    def _table(self, table):
        self.records = table


def test_measure_ranks_columns(folder):
    write(folder, encoders())
    scores = {f"score {i}": TRUTH * (-1) ** i + i for i in range(2)}
    write_scores(folder, ID=range(len(ENCODERS)), **{"GLUE Score": TRUTH}, **scores)
    result = invoke("measure", "flexibert", "--lookup", "score 0", "--lookup", "score 1", "--lookup", "mnli", "--json")
    assert result.exit_code == 0, result.stderr
    judged = {each["estimator"]: each for each in json.loads(result.stdout)}
    assert set(judged) == {"score 0", "score 1", "mnli", "chance"}
    assert (judged["score 0"]["tau"], judged["score 1"]["tau"]) == (1.0, -1.0)


@pytest.mark.slow
def test_a_study_of_columns_and_two_truths(folder, tmp_path_factory, monkeypatch):
    monkeypatch.setattr("archsieve.judging.claims._DRAWS", 50)
    write(folder, encoders())
    scores = {f"score {noise}": TRUTH + noise * RNG.normal(0, 1, len(TRUTH)) for noise in (1, 4, 9)}
    write_scores(folder, ID=range(len(ENCODERS)), **{"GLUE Score": TRUTH}, **scores)
    lookups = [word for score in scores for word in ("--lookup", score)]
    out = tmp_path_factory.mktemp("study")
    options = ("--truth", "glue", "--truth", "mnli", "--seeds", "1", "--budget", "60")
    result = invoke("study", "mkr", "flexibert", *options, *lookups, "--out", out / "run")
    assert result.exit_code == 0, result.stderr
    assert f"The table has {len(ENCODERS)} codes; flexibert has up to 21,233,664." in result.stderr
    assert "no verdict, with 3 estimators" in result.stdout
    study = json.loads((out / "run" / "study.json").read_text("utf-8"))
    assert {finding["truth"] for finding in study["findings"]} == {"glue", "mnli"}


def test_a_proxy_says_that_there_is_no_network(folder):
    write(folder, encoders())
    result = invoke("measure", "flexibert", "--proxy", "params")
    assert result.exit_code == 1
    assert "archsieve does not build the networks of flexibert" in result.stderr


def test_they_are_in_the_catalogue():
    for table in (GLUE, AUTOFORMER_CIFAR100, PIT_FLOWERS, PIT_CHAOYANG):
        assert BENCHMARKS[table.name] == table
