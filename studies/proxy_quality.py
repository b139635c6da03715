"""Measures how well every proxy of the shipped score tables ranks its space, and writes docs/proxy_quality.md.

    python studies/proxy_quality.py

Needs the benchmark files (see `archsieve data`); computes no proxy. Beside tau and MKR over all codes stand those over
the cells in which every edge that is not `none` lies on a path from input to output, the population of the table in
VKDNW (CVPR 2025), whose figures and those of NAS-Bench-Suite-Zero (arXiv 2210.03230) are given for comparison.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from archsieve import BENCHMARKS, ESTIMATORS, SPACES, TASKS, Session
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.judging.metrics import kendall_tau, minimum_keeping_ratio, spearman
from archsieve.runs.score_tables import shipped

PAGE = Path(__file__).parents[1] / "docs" / "proxy_quality.md"
AZ_PARTS = {"az_expressivity", "az_progressivity", "az_trainability"}
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
VKDNW = {  # Kendall and Spearman, CIFAR-10, over the connected cells
    "grad_norm": (0.328, 0.438),
    "grasp": (0.352, 0.505),
    "snip": (0.431, 0.591),
    "synflow": (0.561, 0.758),
    "jacov": (0.616, 0.800),
    "nwot": (0.571, 0.762),
    "zen": (0.102, 0.103),
    "gradsign": (None, 0.765),
    "zico": (0.607, 0.802),
    "trainable_layers": (0.626, 0.767),
    "az_nas": (0.712, 0.892),
}
SUITE_ZERO = {  # Kendall and Spearman, CIFAR-10, five samples of 200 cells, validation accuracy
    "epe_nas": (0.550, 0.732),
    "fisher": (0.356, 0.488),
    "grad_norm": (0.425, 0.588),
    "grasp": (0.313, 0.444),
    "jacov": (0.567, 0.738),
    "l2_norm": (0.485, 0.665),
    "params": (0.542, 0.710),
    "plain": (-0.212, -0.317),
    "snip": (0.444, 0.591),
    "synflow": (0.557, 0.753),
}


def is_connected(arch) -> bool:
    """Whether every edge that is not `none` lies on a path from the input to the output."""
    used = [edge for edge, operation in zip(EDGES, arch, strict=True) if operation != 0]
    reached, reaching = {0}, {3}
    for source, target in used:
        reached |= {target} if source in reached else set()
    for source, target in reversed(used):
        reaching |= {source} if target in reaching else set()
    return bool(used) and all(source in reached and target in reaching for source, target in used)


def judged(table, benchmark, column):
    """Return codes, truth and scores by name over every code of the benchmark."""
    space = benchmark.space
    truth = benchmark.load()
    archs = list(truth.archs)
    members = [ZeroCost(name) for name in table.card.estimators]
    names = ["params", "macs", *(m.name for m in members)]
    with tempfile.TemporaryDirectory() as folder, Session(folder, space, TASKS["cifar10"](), tables=[table]) as session:
        scores = session.scores([ESTIMATORS["params"](), ESTIMATORS["macs"](), *members], archs)
    return archs, truth.lookup(column, archs), dict(zip(names, scores.T, strict=True))


def pair(values, digits=3) -> str:
    """Return "tau / rho"."""
    return " / ".join("-" if v is None else f"{v:.{digits}f}" for v in values)


def cells_section(table) -> list[str]:
    """Return the lines about NAS-Bench-201."""
    archs, truth, scores = judged(table, BENCHMARKS["nasbench201-cifar10"], "test_acc_200")
    *_, validation = judged_truth(archs)
    connected = np.array([is_connected(arch) for arch in archs])
    lines = [
        f"## NAS-Bench-201, CIFAR-10: {len(archs):,} cells, truth `test_acc_200`",
        "",
        f'Tau / rho. "Connected" are the {connected.sum():,} cells without a dead edge.',
        "",
        "| proxy | all | MKR | without score | connected | VKDNW's table | all, by `val_acc_200` | Suite-Zero |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, column in sorted(scores.items(), key=lambda item: -kendall_tau(item[1], truth)):
        both = (kendall_tau(column, truth), spearman(column, truth))
        part = kendall_tau(column[connected], truth[connected]), spearman(column[connected], truth[connected])
        other = kendall_tau(column, validation), spearman(column, validation)
        lines.append(
            f"| `{name}` | {pair(both)} | {minimum_keeping_ratio(column, truth):.5f} | {np.isnan(column).sum()} | "
            f"{pair(part)} | {pair(VKDNW.get(name, (None, None)))} | {pair(other)} | "
            f"{pair(SUITE_ZERO.get(name, (None, None)))} |"
        )
    return lines


def judged_truth(archs):
    """Return the validation accuracies."""
    return (BENCHMARKS["nasbench201-cifar10"].load().lookup("val_acc_200", archs),)


def macro_section(table) -> list[str]:
    """Return the lines about NAS-Bench-Macro."""
    archs, truth, scores = judged(table, BENCHMARKS["nasbench-macro-cifar10"], "mean_acc")
    space = SPACES["nasbench-macro"]()
    distinct = np.array([space.canonical(arch) == arch for arch in archs])
    lines = [
        f"## NAS-Bench-Macro, CIFAR-10: {len(archs):,} codes, truth `mean_acc`",
        "",
        f"| proxy | tau / rho, all | MKR, all | tau / rho, {distinct.sum():,} networks | MKR | without score |",
        "|---|---|---|---|---|---|",
    ]
    for name, column in sorted(scores.items(), key=lambda item: -kendall_tau(item[1], truth)):
        few, some = column[distinct], truth[distinct]
        lines.append(
            f"| `{name}` | {pair((kendall_tau(column, truth), spearman(column, truth)))} | "
            f"{minimum_keeping_ratio(column, truth):.5f} | {pair((kendall_tau(few, some), spearman(few, some)))} | "
            f"{minimum_keeping_ratio(few, some):.5f} | {np.isnan(column).sum()} |"
        )
    return lines


def sample_section(title, name, benchmark, column, tables) -> list[str]:
    """Return the lines about the proxies that were scored by other seeds, or on a sample alone."""
    others = [t for t in tables.values() if t.name.startswith(f"{name}-") and t.card.population == "sample"]
    samples = [table for table in others if "newest" not in table.name]  # these have a page of their own
    if not samples:
        return []
    known = BENCHMARKS[benchmark].load()
    chosen = seeds_of(tables[name], samples, BENCHMARKS[benchmark].space)
    lines = [
        f"## {title}: samples of networks, by seed",
        "",
        "Weights, batch and noise differ from seed to seed. A cell lists one figure for each seed, starting with",
        "seed 0.",
        "",
        "| proxy | networks | tau | rho | MKR in the sample | without score |",
        "|---|---|---|---|---|---|",
    ]
    by_tau = {proxy: kendall_tau(c[0], known.lookup(column, codes)) for proxy, (codes, c) in chosen.items()}
    for proxy in sorted(chosen, key=lambda proxy: -by_tau[proxy]):
        codes, columns = chosen[proxy]
        truth = known.lookup(column, codes)
        taus = ", ".join(f"{kendall_tau(c, truth):.3f}" for c in columns)
        rhos = ", ".join(f"{spearman(c, truth):.3f}" for c in columns)
        ratios = ", ".join(f"{minimum_keeping_ratio(c, truth):.3f}" for c in columns)
        lines.append(f"| `{proxy}` | {len(codes):,} | {taus} | {rhos} | {ratios} | {np.isnan(columns[0]).sum()} |")
    return [*lines, "", *connected_lines(name, known, column, chosen)]


def seeds_of(whole, samples, space):
    """Return the codes of each proxy's sample, and its columns there, seed 0 first."""
    chosen = {}
    for table in samples:
        for proxy in table.card.estimators:
            if proxy not in chosen:
                first = [whole] if proxy in whole.card.estimators else []
                chosen[proxy] = table.archs, [scores_of(t, proxy, table.archs) for t in first]
            codes, columns = chosen[proxy]
            columns.append(scores_of(table, proxy, codes))
    if set(chosen) >= AZ_PARTS:
        codes = chosen[min(AZ_PARTS)][0]
        columns = np.stack([*(chosen[proxy][1][0] for proxy in sorted(AZ_PARTS)), macs_of(space, codes)], axis=1)
        chosen["az_nas"] = codes, [ESTIMATORS["az_nas"]().combine(columns, columns)]
    return chosen


def scores_of(table, proxy, codes):
    """Return a table's column for these codes."""
    values = table.get(proxy, codes)
    return np.array([values[code][0] for code in codes])


def connected_lines(name, known, column, chosen) -> list[str]:
    """Return, for cells, what the samples say where VKDNW's table has figures."""
    if not name.startswith("nasbench201"):
        return []
    said = []
    for proxy, (codes, columns) in chosen.items():
        connected = np.array([is_connected(code) for code in codes])
        truth, scores = known.lookup(column, codes)[connected], columns[0][connected]
        if proxy in VKDNW:
            ours = pair((kendall_tau(scores, truth), spearman(scores, truth)))
            said.append(f"`{proxy}` {ours} ({pair(VKDNW[proxy])}, {connected.sum()} cells)")
    return [f"Tau / rho over the connected cells, in brackets VKDNW's: {'; '.join(said)}.", ""]


def macs_of(space, codes):
    """Return the multiply-adds of codes."""
    return np.array([space.macs(code, TASKS["cifar10"]()) for code in codes], dtype=float)


def main() -> None:
    """Write the page."""
    tables = {table.name: table for table in shipped()}
    lines = [
        "# How well the proxies rank",
        "",
        "Made by `python studies/proxy_quality.py` from the shipped score tables: CIFAR-10 (a copy in JPEG), batch",
        "of 64, seed 0 unless another is named. tau is tau-b. The minimum keeping ratio (MKR) is the smallest top",
        "share of a ranking that still contains the true best network; lower is better. Compare every proxy with",
        "`params` and `macs`, which cost nothing. The published columns come from other batches and seeds; those of",
        "Suite-Zero come from five samples of 200 cells.",
        "",
    ]
    for name, section in (("nasbench201-cifar10", cells_section), ("nasbench-macro-cifar10", macro_section)):
        if name in tables:
            lines += [*section(tables[name]), ""]
    lines += sample_section("NAS-Bench-201", "nasbench201-cifar10", "nasbench201-cifar10", "test_acc_200", tables)
    lines += sample_section("NAS-Bench-Macro", "nasbench-macro-cifar10", "nasbench-macro-cifar10", "mean_acc", tables)
    PAGE.write_text("\n".join(lines).rstrip() + "\n")
    print(f"{PAGE} written")


if __name__ == "__main__":
    main()
