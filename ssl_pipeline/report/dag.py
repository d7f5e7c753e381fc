"""The graph as a picture, drawn from its own nodes and edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from torch import nn

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.structures.nodes import CLEAN, CONSENSUS, Edge, Node

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c510a", "#5e3c99")
"""One a term, distinct for colour-blind readers, too (Okabe and Ito)."""

ROW, HIGH, WIDE = 44, 28, 128  # distance of rows; height and width of a box
AT = {"clean": 12, "view": 190, "encoder": 368, "latent": 500, "consensus": 660, "decoder": 760, "target": 900}
TOP = 16


def dag_svg(graph: Graph) -> str:
    """Nodes from the clean sample to the targets, and an edge for each loss, as one SVG.

    Args:
        graph: live or untrained; only its structure is read.
    """
    terms = dict(zip(graph.edges, COLOURS * len(graph.edges), strict=False))
    rows = [node for view in _starts(graph) for node in (Node.latent(view), Node.teacher(view)) if node in graph.nodes]
    y = {node: TOP + ROW * i + HIGH / 2 for i, node in enumerate(rows)}
    middle = TOP + ROW * len(rows) / 2 - (ROW - HIGH) / 2
    for view in _starts(graph):
        own = [y[node] for node in (Node.latent(view), Node.teacher(view)) if node in y]
        y[Node.view(view)] = sum(own) / len(own) if own else middle
    y |= {CLEAN: middle, CONSENSUS: middle}
    targets = [*graph.decoders]
    of = {name: middle + ROW * (i - (len(targets) - 1) / 2) for i, name in enumerate(targets)}
    high = max([TOP + ROW * len(rows), *(at + ROW / 2 for at in of.values())])
    parts = [*_wires(graph, y), *_losses(graph, y, of, terms), *_boxes(graph, y, of, high)]
    legend = list(_legend(graph, terms, high + 18))
    total = high + 24 + 20 * len(terms)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1050 {total:.0f}" role="img" '
        f'aria-label="corruption graph" font-family="system-ui, sans-serif" font-size="12" style="background:#fff">'
        + "".join([*parts, *legend])
        + "</svg>"
    )


def _starts(graph: Graph) -> list[str]:
    """Views, and columns of the data that are encoded, too."""
    nodes = {view: (Node.latent(view), Node.teacher(view)) for view in graph.columns}
    return [*graph.corruptions, *(view for view, some in nodes.items() if graph.nodes.keys() & set(some))]


def _wires(graph: Graph, y: Mapping[Node, float]) -> Iterator[str]:
    """From each node to those that follow from it."""
    for view in _starts(graph):
        if view in graph.corruptions:
            yield _curve(AT["clean"] + WIDE, y[CLEAN], AT["view"], y[Node.view(view)], "#999")
        for node in (Node.latent(view), Node.teacher(view)):
            if node in graph.nodes:
                dash = ' stroke-dasharray="4 3"' if node.kind == "teacher" else ""
                yield _curve(AT["view"] + WIDE, y[Node.view(view)], AT["encoder"], y[node], "#999", dash)
                yield _curve(AT["encoder"] + 92, y[node], AT["latent"], y[node], "#999", dash)
                if node in graph.nodes.get(CONSENSUS, ()):
                    yield _curve(AT["latent"] + WIDE, y[node], AT["consensus"], y[CONSENSUS], "#999")


def _losses(
    graph: Graph, y: Mapping[Node, float], of: Mapping[str, float], colours: Mapping[str, str]
) -> Iterator[str]:
    """A coloured line for each edge; through a decoder, or as an arc between latents, and so from output to output."""
    y = {**y, **{Node.output(view): y[Node.latent(view)] for view in graph.corruptions if Node.latent(view) in y}}
    for term, edges in graph.edges.items():
        for edge in edges:
            what = f"<title>{escape(edge.name)}</title>"
            for source in edge.sources:
                if edge.target.kind in ("clean", "view"):
                    x = AT["consensus"] + 66 if source == CONSENSUS else AT["latent"] + WIDE
                    at = of.get(edge.target.name, of.get(CLEAN.name, 0.0))  # on the samples' grid it has their decoder
                    yield _curve(x, y[source], AT["decoder"], at, colours[term], ' stroke-width="2"', what)
                    yield _curve(AT["decoder"] + 92, at, AT["target"], at, colours[term], ' stroke-width="2"', what)
                elif source in y and edge.target in y:
                    yield _arc(AT["latent"] + WIDE, y[source], y[edge.target], colours[term], what)


def _boxes(graph: Graph, y: Mapping[Node, float], of: Mapping[str, float], high: float) -> Iterator[str]:
    yield _box(AT["clean"], y[CLEAN], "clean x", fill="#eef5ea")
    for view in _starts(graph):
        fill = "#f6f6f6" if view in graph.corruptions else "#eef5ea"
        yield _box(AT["view"], y[Node.view(view)], view.replace("-", " → "), fill=fill)
    size = f"{sum(p.numel() for p in graph.encoder.parameters()):,}"
    name = type(graph.encoder).__name__.removesuffix("Encoder")
    yield _tall(AT["encoder"], high, ["encoder", name, size])
    for node in y:
        if node.kind == "latent":
            yield _box(AT["latent"], y[node], f"z {node.name}", fill="#e8f0fa", round=14)
        if node.kind == "teacher":
            yield _box(AT["latent"], y[node], f"teacher {node.name}", fill="#fff", round=14, dashed=True)
    if CONSENSUS in graph.nodes:
        yield _box(AT["consensus"], y[CONSENSUS], "consensus", fill="#e8f0fa", round=14, wide=66)
    for name, at in of.items():
        yield _box(AT["decoder"], at, "decoder", fill="#f3ecf7", wide=92)
        clean = name == CLEAN.name
        yield _box(AT["target"], at, "clean x" if clean else name, fill="#eef5ea" if clean else "#f6f6f6")


def _legend(graph: Graph, colours: Mapping[str, str], top: float) -> Iterator[str]:
    for i, (name, colour) in enumerate(colours.items()):
        term: Any = graph.objective.terms[name]
        loss = getattr(term, "loss", None)
        kind = type(loss).__name__ if isinstance(loss, nn.Module) else type(term).__name__
        role = _role(graph.edges[name])
        text = f"{name}: {kind}, weight {term.weight:g}, {_count(graph.edges[name])}{role}"
        y = top + 20 * i
        yield f'<line x1="12" x2="40" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>'
        yield f'<text x="48" y="{y + 4}" fill="#333">{escape(text)}</text>'


def _count(edges: Sequence[Edge]) -> str:
    return "1 edge" if len(edges) == 1 else f"{len(edges)} edges"


def _role(edges: Iterable[Edge]) -> str:
    edges = list(edges)
    attracts = any(edge.attracts for edge in edges)
    prevents = any(edge.prevents_collapse for edge in edges)
    words = [word for word, is_so in (("attracts", attracts), ("prevents collapse", prevents)) if is_so]
    return ": " + ", ".join(words) if words else ""


def _box(x: float, y: float, text: str, *, fill: str, round: int = 4, wide: int = WIDE, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    size = min(12.0, 1.7 * (wide - 8) / max(len(text), 1))
    return (
        f'<rect x="{x}" y="{y - HIGH / 2:.1f}" width="{wide}" height="{HIGH}" rx="{round}" fill="{fill}" '
        f'stroke="#666"{dash}/><text x="{x + wide / 2}" y="{y + 4:.1f}" font-size="{size:.1f}" '
        f'text-anchor="middle">{escape(text)}</text>'
    )


def _tall(x: float, high: float, lines: list[str]) -> str:
    top, first = TOP / 2, high / 2 - 8 * len(lines) + 12
    words = "".join(
        f'<text x="{x + 46}" y="{first + 16 * i:.1f}" text-anchor="middle">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return f'<rect x="{x}" y="{top}" width="92" height="{high - top:.1f}" rx="8" fill="#fdf3dd" stroke="#666"/>{words}'


def _curve(x1: float, y1: float, x2: float, y2: float, colour: str, style: str = "", inner: str = "") -> str:
    bend = (x2 - x1) / 2
    return (
        f'<path d="M{x1} {y1:.1f} C{x1 + bend} {y1:.1f} {x2 - bend} {y2:.1f} {x2} {y2:.1f}" fill="none" '
        f'stroke="{colour}"{style}>{inner}</path>'
    )


def _arc(x: float, y1: float, y2: float, colour: str, inner: str) -> str:
    """Between two latents, the further out the further they lie apart; a loop where they are one."""
    out = x + 18 + 0.35 * abs(y2 - y1)
    y2 = y2 + 8 if y1 == y2 else y2
    return (
        f'<path d="M{x} {y1:.1f} C{out:.1f} {y1:.1f} {out:.1f} {y2:.1f} {x} {y2:.1f}" fill="none" stroke="{colour}" '
        f'stroke-width="2">{inner}</path>'
    )
