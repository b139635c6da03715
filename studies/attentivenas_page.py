"""The page of `attentivenas_note.py`: what it found, in words."""

from __future__ import annotations

import textwrap

import numpy as np

NETWORK = "288; 16 16 24 32 72 120 200 216 1792; 2 3 3 5 6 8 2; 5 5 5 5 5 3 5; 1 4 5 5 4 6 6"
PRINTED = {"l2_norm": 2663.55419921875, "nwot": 222.169, "zen": 230.552, "macs": 979_515_488}


def lines_of(*texts: str) -> list[str]:
    """Return a paragraph, or an item of a list, in lines."""
    text = " ".join(texts)
    return textwrap.wrap(text, 118, subsequent_indent="  " * text.startswith("- "), break_long_words=False)


def page_of_printed(found) -> list[str]:
    """Return the part about the printed network."""
    macs, counted = found["macs"]
    rows = []
    for name, values in found["scores"].items():
        low, high = min(values), max(values)
        rows.append(
            f"| {name} | {PRINTED[name]:.2f} | {np.mean(values):.2f} | {np.std(values, ddof=1):.2f} "
            f"| {low:.2f} to {high:.2f} |"
        )
    he, missing = np.array(found["he_fan_out"]), found["missing_shortcuts"]
    return [
        "# The printed network of AttentiveNAS's space",
        "",
        *lines_of(
            "Made by `studies/attentivenas_note.py`. The authors of the method print a network of this space",
            "(arXiv 2011.09011) and its scores, without saying how they were computed:",
        ),
        "",
        f"    {NETWORK}",
        "",
        *lines_of(
            f"Its costs are theirs: {macs:,} multiply-adds in closed form and {counted:,} counted on the built network",
            f"(printed: 979.515488 million); {found['params'][0]:,} parameters either way.",
        ),
        "",
        *lines_of(
            "Its scores in batches of 32, on noise of 224 x 224 that the network resizes to 288,",
            f"{len(he)} seeds, each with its own weights and noise:",
        ),
        "",
        "| proxy | printed | ours: mean | deviation | range |",
        "|---|---|---|---|---|",
        *rows,
        "",
        *lines_of("- `zen` agrees: the printed value lies within what seeds differ by."),
        *lines_of(
            '- `nwot` counts ReLU alone (`activations = "relu"`): in this space those of the 19 squeezes, 3,728 units.',
            "They tell noise pictures apart less than photographs; the printed value needs the batch of ImageNet",
            "it was computed on.",
        ),
        *lines_of(
            "- `l2_norm` is the sum of the norms of untrained weights: it tells how they were drawn, and nothing of",
            "data. Ours are drawn as PyTorch draws them, for each network by itself. The printed value fits",
            "weights drawn by fan-out (He) for the whole supernet and cut out of it, with a convolution in the",
            "shortcut of each of the",
            f"{missing['count']} blocks that need none. Our supernet drawn so, and cut, gives {he.mean():.1f}",
            f"(deviation {he.std(ddof=1):.1f}); those convolutions would add {missing['norm']:.1f}, which makes",
            f"{he.mean() + missing['norm']:.1f}.",
        ),
    ]


def page_of_search(found) -> list[str]:
    """Return the part about the search."""
    count, seconds = found["count"], found["processor_seconds"]
    keys = ("mean", "deviation", "largest", "winner_scores")
    lines = [
        "## A search by proxies alone",
        "",
        *lines_of(
            "By the plan `proxies-attentivenas-cpu`: networks of at most 600 million multiply-adds drawn at random,",
            "l2_norm, nwot (ReLU) and zen in batches of 16, noise of 192 x 192, seed 0.",
            f"{count:,} of the plan's 1,000 networks were scored in {seconds:,.0f} seconds of one core:",
            f"{count / seconds:.2f} a second, or {seconds / count:.1f} seconds each.",
        ),
        "",
        "| proxy | mean | deviation | largest | the winner's | its rank |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {' | '.join(f'{found[key][name]:.2f}' for key in keys)} | {rank} |"
            for name, rank in found["winner_ranks"].items()
        ),
        "",
        *lines_of(
            f"{found['passed']} networks got two votes of three at the 0.8 quantile. The best mean rank among them has",
            f"`{found['winner']}`: {found['winner_macs'] / 1e6:.1f} million multiply-adds,",
            f"{found['winner_params'] / 1e6:.2f} million parameters.",
        ),
        "",
        "How the proxies go with sizes, and with each other (Kendall's tau over the sample):",
        "",
        "| proxy | multiply-adds | parameters | resolution |",
        "|---|---|---|---|",
        *(
            f"| {n} | {t['macs']:.2f} | {t['params']:.2f} | {t['resolution']:.2f} |"
            for n, t in found["tau_with"].items()
        ),
        "",
        *lines_of("; ".join(f"{pair}: {tau:.2f}" for pair, tau in found["tau"].items()) + "."),
    ]
    if "evolution" in found:
        of = found["evolution"]
        lines += [
            "",
            *lines_of(
                f"An evolution of {of['budget']} networks that maximises the mean rank among the sample",
                "(one run) reaches",
                f"{of['mean_rank']:.4f}; the best of as many drawn at random has",
                f"{of['mean_rank_of_as_many_at_random']:.4f}.",
                f"It finds `{of['best']}`, {of['macs'] / 1e6:.1f} million multiply-adds.",
            ),
        ]
    return [
        *lines,
        "",
        *lines_of(
            "What this does not say is whether the winner is any good. No accuracy of these networks is recorded here,",
            "so that neither the winner nor chance can be judged. That the winner leads its sample in the proxies is",
            "so by construction, and that they go with size is no evidence that they go with accuracy.",
        ),
    ]
