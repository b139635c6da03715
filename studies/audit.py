"""Measures what audits say against what is true, on recorded spaces.

    python studies/audit.py --out runs/audit

A simulated search takes a random half of a space, ranks it by a first stage (the mean rank of one to four shipped
proxies), trains the best 20 to 100, and returns the one with the best recorded training. An audit then draws 12, 30 or
60 networks from those cut. The code that samples, weighs and tests is that of `archsieve audit`; scores are recorded
ones. On the digits and on NAS-Bench-Macro the search sees one recorded training, the winner is compared by others, and
the truth is a mean; NAS-Bench-201 has one validation accuracy only, so that its winner cannot be trained again. It can
be stopped and started again. Writes docs/audit.png and the numbers of docs/audit.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from marks import DOCS, lines_of, write_between

from archsieve import BENCHMARKS, ESTIMATORS, Stage
from archsieve._files import replace_file
from archsieve.benchmarks.digits import DIGITS
from archsieve.estimators.lookup import Lookup
from archsieve.judging.agreement import Seen, agreements
from archsieve.judging.audit import trainings_of_winner
from archsieve.judging.audit_sample import Sample, Stratum
from archsieve.judging.cuts import allocate, greatest_count, likely_share
from archsieve.judging.metrics import kendall_tau
from archsieve.judging.stage_audit import stages_of
from archsieve.plans.worth import expected_draws
from archsieve.runs.score_tables import shipped
from archsieve.searchers.contract import record
from archsieve.spaces.sampling import draw_pool
from archsieve.values import dense_ranks

TABLES = {
    "nasbench-macro-digits": (),
    "nasbench-macro-cifar10": (("test_acc_1",), ("test_acc_2", "test_acc_3"), "mean_acc"),
    "nasbench201-cifar10": (("val_acc_200",), (), "test_acc_200"),
}
"""By table: the training that a search sees, others of the same network, and the truth."""
PROXIES = ("nwot", "swap", "synflow_log", "jacov", "l2_norm", "zen")
GOOD = ("nwot", "swap", "synflow_log", "jacov")
AUDITED = (12, 30, 60)
SEARCHES, NAMED = 200, 50
KINDS = {"useless": NAMED, "good": NAMED, "useless-half": NAMED, "good-half": NAMED, "any": SEARCHES}


def load(name):
    """Return scores by proxy, and the three columns of trainings, of all networks of a table."""
    benchmark = BENCHMARKS[name]
    pool, table = draw_pool(benchmark.space, 0), benchmark.load()
    scores = {}
    for recorded in shipped():
        if recorded.card.population == "all" and recorded.is_about(benchmark.space, 0):
            for proxy in set(PROXIES) & set(recorded.card.estimators):
                outcomes = recorded.get(proxy, pool)
                scores.setdefault(proxy, np.array([outcomes[arch].score for arch in pool]))
    if name == "nasbench-macro-digits":
        return scores, *digits(pool)
    (seen,), others, truth = TABLES[name]
    again = [table.lookup(column, pool) for column in others]
    return scores, table.lookup(seen, pool), again, table.lookup(truth, pool)


def digits(pool):
    """Return the validation accuracies of one seed and of the four others, and the mean test accuracy of all five."""
    with np.load(DIGITS.source.require(), allow_pickle=False) as arrays:
        codes, validation, test = (arrays[name] for name in ("codes", "validation", "test"))
    rows = {tuple(map(int, code)): row for row, code in enumerate(codes)}
    at = [rows[arch] for arch in pool]
    seen, *again = validation[:, at, -1] / 5
    return seen, again, test[:, at, -1].mean(axis=0) / 9.97


def mean_rank(scores, proxies, half):
    """Return the mean rank of some proxies among half of the space."""
    return np.mean([dense_ranks(scores[p][half]) for p in proxies], axis=0)


def search(first, seen, keep):
    """Return rounds, strata and the winner of a search in two stages."""
    order = np.lexsort((np.arange(len(first)), -first))
    kept = np.sort(order[:keep])
    winner = kept[np.argmax(seen[kept])]
    codes = np.arange(len(first))[:, None]
    rounds = [
        record("first", codes, first, order[:keep]),
        record("trained", codes[kept], seen[kept], np.array([int(np.flatnonzero(kept == winner)[0])])),
    ]
    return rounds, np.sort(order[keep:]), kept[kept != winner], winner


def audit(rounds, cut, beaten, winner, columns, networks, rng, seed):
    """Return what an audit says, by the code of `archsieve audit`."""
    first, seen, again = columns
    strata = [
        Stratum("first", 0, [(int(i),) for i in rng.permutation(cut)], len(cut)),
        Stratum("trained", 1, [(int(i),) for i in beaten], len(beaten)),
    ]
    counts = [allocate([len(cut), 0], networks)[0], len(beaten)]
    archs = [arch for stratum, n in zip(strata, counts, strict=True) for arch in stratum.archs[:n]]
    at = np.array([i for (i,) in archs] + [winner])
    fresh = [training[winner] for training in again[: trainings_of_winner(networks)]]
    values = np.append(seen[at[:-1]], np.mean(fresh) if fresh else seen[winner])
    lowest = min(fresh) if fresh else np.nan
    plan = SimpleNamespace(stages=(Stage(ESTIMATORS["chance"](), top=1), Stage(Lookup("trained"), top=1)))
    session = SimpleNamespace(seed=seed, space=SimpleNamespace(), task=None)
    sample = Sample(
        plan,
        session,
        rounds,
        strata,
        counts,
        archs,
        values,
        [first[at], seen[at]],
        SimpleNamespace(name="trained"),
        lowest,
    )
    sizes, hits = [len(cut), len(beaten)], sample.hits()
    most = greatest_count(sizes, counts, sample.hits_at_most())
    return {
        "low": expected_draws(sum(sizes) + 1, 1 + most),
        "likely": likely_share(sizes, counts, hits),
        "most": most / sum(sizes),
        "stage": stages_of(sample)[0],
    }


def one(name, data, kind, seed):
    """Return what is stated and what is true, for one simulated search."""
    scores, seen, again, truth = data
    rng = np.random.default_rng([seed, len(name), len(kind)])
    half = np.sort(rng.choice(len(truth), len(truth) // 2, replace=False))
    if kind == "any":
        chosen = rng.choice(sorted(scores), rng.integers(1, 5), replace=False)
        first, keep = mean_rank(scores, chosen, half), int(rng.integers(20, 101))
    else:
        good = mean_rank(scores, GOOD, half)
        first, keep = (rng.random(len(half)) if "useless" in kind else good), 50
        if "half" in kind:
            keep = len(half) // 2
    seen, again, truth = seen[half], [training[half] for training in again], truth[half]
    rounds, cut, beaten, winner = search(first, seen, keep)
    others = np.append(cut, beaten)
    seen_by = [Seen("first", rounds[0].archs, first), Seen("trained", rounds[1].archs, rounds[1].scores)]
    as_good = int(np.sum(truth[others] >= truth[winner]))
    row = {
        "exact": expected_draws(len(half), 1 + as_good),
        "share": as_good / len(others),
        "any_better": bool(np.any(truth[others] > truth[winner])),
        "tau": kendall_tau(first, truth),
        "blind": agreements(seen_by)[0].is_blind,
    }
    for networks in AUDITED if "half" not in kind else ():
        said = audit(rounds, cut, beaten, winner, (first, seen, again), networks, np.random.default_rng(seed), seed)
        stage = said.pop("stage")
        interval = stage.tau_interval
        seen_tau = kendall_tau(first, seen)
        row[str(networks)] = {
            **said,
            "accused": bool(stage.accusation),
            "tau_holds": None if interval is None else bool(interval[0] <= seen_tau <= interval[1]),
            "tau_error": abs(stage.tau - seen_tau),
        }
    return row


def rows_of(results, name, kind, count):
    """Return the finished rows of a table and a kind of search."""
    return [results[key] for s in range(count) if (key := f"{name}/{kind}/{s}") in results]


def figure(results):
    """Draw stated against true shares, in bins of what is stated."""
    from matplotlib.figure import Figure

    plot = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, name in zip(plot.subplots(1, len(TABLES), sharex=True, sharey=True), TABLES, strict=True):
        rows = rows_of(results, name, "any", SEARCHES)
        for networks in AUDITED:
            stated = np.array([row[str(networks)]["likely"] for row in rows])
            true = np.array([row["share"] for row in rows])
            bins = [np.array(b) for b in np.array_split(np.argsort(stated, kind="stable"), 6)]
            axes.plot(
                [stated[b].mean() for b in bins], [true[b].mean() for b in bins], "o-", label=f"{networks} audited"
            )
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
        axes.set_xlim(0, 0.6)
        axes.set_ylim(0, 0.6)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("stated probability")
    plot.axes[0].set_ylabel("true share as good as the winner")
    plot.axes[0].legend(fontsize=8)
    plot.savefig(DOCS / "audit.png", dpi=110)


def page(results) -> list[str]:
    """Return the measured part of the page."""
    lines = lines_of(
        f"Made by `studies/audit.py` with {SEARCHES} simulated searches on each table. Each search runs in a random",
        "half of the space: a mean rank of one to four proxies, then one training of each of the best 20 to 100",
        "networks.",
    )
    lines += [
        "",
        "| table | audited | bound of the worth holds | bound, exact (medians) | bound of the share holds | "
        "stated, true share (means) | tau's interval holds | error of tau |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in TABLES:
        rows = rows_of(results, name, "any", SEARCHES)
        for n in map(str, AUDITED):
            held = np.mean([row[n]["low"] <= row["exact"] + 1e-9 for row in rows])
            shares = np.mean([row[n]["most"] >= row["share"] - 1e-9 for row in rows])
            taus = [row[n]["tau_holds"] for row in rows if row[n]["tau_holds"] is not None]
            medians = [np.median([row[n]["low"] for row in rows]), np.median([row["exact"] for row in rows])]
            means = [np.mean([row[n]["likely"] for row in rows]), np.mean([row["share"] for row in rows])]
            lines.append(
                f"| {name} | {n} | {held:.1%} | {medians[0]:.1f}, {medians[1]:.1f} | {shares:.1%} | {means[0]:.3f}, "
                f"{means[1]:.3f} | {np.mean(taus):.1%} | {np.mean([row[n]['tau_error'] for row in rows]):.3f} |"
            )
    better = [f"{np.mean([row['any_better'] for row in rows_of(results, t, 'any', SEARCHES)]):.0%}" for t in TABLES]
    shares = ", ".join(better)
    lines += [
        "",
        *lines_of(
            f"A network better than the winner was removed in {shares} of the searches (in the order of the tables)."
        ),
    ]
    lines += ["", "![Stated against true probability](audit.png)", ""]
    lines += [
        *lines_of(
            f"{NAMED} searches with a useless first stage (chance) and {NAMED} with a good one (the mean rank of",
            f"{', '.join(GOOD)}). Each first stage keeps 50 networks. The last columns count how many audits name the",
            "first stage:",
        ),
        "",
        "| table | stage | tau (mean) | judged useless from what it kept | the same, if it keeps half | named "
        "after 12 audited | 30 | 60 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in TABLES:
        for kind in ("useless", "good"):
            rows = rows_of(results, name, kind, NAMED)
            counts = [sum(row[str(n)]["accused"] for row in rows) for n in AUDITED]
            halves = sum(row["blind"] for row in rows_of(results, name, f"{kind}-half", NAMED))
            blind = f"{sum(row['blind'] for row in rows)} | {halves}"
            lines.append(
                f"| {name} | {kind} | {np.mean([row['tau'] for row in rows]):.2f} | {blind} | "
                f"{' | '.join(map(str, counts))} |"
            )
    return lines


def main() -> None:
    """Simulate what is missing, and write the page and its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only-page", action="store_true", help="simulate nothing")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / "audit.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in () if chosen.only_page else TABLES:
        data = load(name)
        for kind, count in KINDS.items():
            for seed in range(count):
                results.setdefault(f"{name}/{kind}/{seed}", None)
                if results[f"{name}/{kind}/{seed}"] is None:
                    results[f"{name}/{kind}/{seed}"] = one(name, data, kind, seed)
            with replace_file(path) as temporary:
                temporary.write_text(json.dumps(results))
            print(name, kind, count, flush=True)
    figure(results)
    write_between(DOCS / "audit.md", "measured", page(results))


if __name__ == "__main__":
    main()
