"""Drawings of architectures as SVG: a cell as a graph with nodes in a row and edges as arcs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STEP, RADIUS, RISE, MARGIN = 150, 18, 34, 30


def cell_svg(name: str, edges: Sequence[Sequence[str]]) -> str:
    """Return a cell, given by edges (source, target, operation), as an SVG element; as text if it has no edges."""
    if not edges:
        return f"<p>{escape(name)}: no edges</p>"
    edges = _together(edges)
    nodes = _in_order(edges)
    at = {node: MARGIN + RADIUS + i * STEP for i, node in enumerate(nodes)}
    spans = [nodes.index(target) - nodes.index(source) for source, target, _ in edges]
    tall = RISE * max(1, *map(abs, spans)) + MARGIN
    parts = [line for edge, span in zip(edges, spans, strict=True) for line in _edge(edge, span, nodes, at, tall)]
    for node, x in at.items():
        parts.append(f'<circle cx="{x}" cy="{tall}" r="{RADIUS}"/>')
        parts.append(f'<text class="node" x="{x}" y="{tall + 5}">{escape(node)}</text>')
    width, height = 2 * (MARGIN + RADIUS) + STEP * (len(nodes) - 1), 2 * tall
    title = escape(f"{name}: " + ", ".join(f"{s} to {t} {operation}" for s, t, operation in edges))
    return (
        f'<svg class="cell" viewBox="0 0 {width} {height}" style="max-width:{width}px" role="img">'
        f"<title>{title}</title>{''.join(parts)}</svg>"
    )


def _together(edges: Sequence[Sequence[str]]) -> list[tuple[str, str, str]]:
    """Return the edges, with edges between the same nodes merged."""
    operations: dict[tuple[str, str], list[str]] = {}
    for source, target, operation in edges:
        operations.setdefault((source, target), []).append(operation)
    return [(*ends, ", ".join(names)) for ends, names in operations.items()]


def _in_order(edges: Iterable[Sequence[str]]) -> list[str]:
    """Return the nodes in order of first mention, but after their inputs; nodes in cycles come last."""
    feeds: dict[str, set[str]] = {}
    for source, target, _ in edges:
        feeds.setdefault(source, set())
        feeds.setdefault(target, set()).add(source)
    order: list[str] = []
    while ready := [node for node, fed_by in feeds.items() if node not in order and fed_by <= set(order)]:
        order.append(ready[0])
    return order + [node for node in feeds if node not in order]


def _edge(edge: Sequence[str], span: int, nodes: Sequence[str], at: dict[str, int], middle: int) -> Iterator[str]:
    """Yield a line between neighbours, else an arc; sources alternate between above and below."""
    source, target, operation = edge
    is_above = nodes.index(source) % 2 == 0
    rise = 0 if span == 1 else RISE * span * (-1 if is_above else 1)
    begin, end = at[source], at[target]
    y = middle + (RADIUS if rise > 0 else -RADIUS if rise < 0 else 0)
    begin, end = (begin + RADIUS, end - RADIUS) if rise == 0 else (begin, end)
    apex = middle + rise - (8 if rise == 0 else 0)
    yield f'<path d="M {begin} {y} Q {(begin + end) / 2} {y + 2 * (middle + rise - y)} {end} {y}"/>'
    yield f'<text class="operation" x="{(begin + end) / 2}" y="{apex + 4}">{escape(operation)}</text>'


def widths(counts: Sequence[int]) -> list[tuple[float, float]]:
    """Return the funnel's width before and after each stage: logarithms of counts, relative to the widest.

    It ends in a point where a stage left none.

    >>> widths([100, 10, 1])
    [(1.0, 0.55), (0.55, 0.1)]
    """
    from math import log

    top = max(counts)
    shares = [1.0 if top == 1 else round(0.1 + 0.9 * log(count) / log(top), 4) if count else 0.0 for count in counts]
    return list(pairwise(shares))
