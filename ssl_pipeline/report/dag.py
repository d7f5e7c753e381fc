"""The graph as a picture, drawn from its own nodes and edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from torch import nn

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.report import svg
from ssl_pipeline.structures.nodes import CLEAN, CONSENSUS, Edge, Node

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c510a", "#5e3c99")
"""One a term, distinct for colour-blind readers, too (Okabe and Ito)."""

ROW, WIDE, NARROW = 44, 128, 92  # distance of rows; widths of boxes
AT = {"clean": 12, "view": 190, "encoder": 368, "latent": 500, "consensus": 668, "decoder": 790, "target": 930}
TOP, GREY = 16, "#999"
_PORTS = 20
"""Height over which the lines at a box are spread, a place for each term."""


class _Places(NamedTuple):
    """Where things stand."""

    y: dict[Node, float]  # of nodes
    decoders: dict[str, float]  # of decoders, by target
    given: dict[str, float]  # of columns that a loss takes as they are, such as actions
    terms: list[str]
    bottom: float

    def port(self, at: float, term: str) -> float:
        """Where the lines of a term touch a box, so that those of two terms never lie on each other."""
        count = len(self.terms)
        return at + (_PORTS * (self.terms.index(term) / (count - 1) - 0.5) if count > 1 else 0)


def dag_svg(graph: Graph) -> str:
    """Nodes from the clean sample to the targets, and an edge for each loss, as one SVG.

    Args:
        graph: live or untrained; only its structure is read.
    """
    places, colours = _places(graph), dict(zip(graph.edges, COLOURS * len(graph.edges), strict=False))
    parts = [*_wires(graph, places.y), *_losses(graph, places, colours), *_boxes(graph, places)]
    parts += _taken(graph, places, colours)
    bottom = places.bottom + ROW * len(places.given)
    lines = [(colour, _described(graph, term)) for term, colour in colours.items()]
    if size := _size(graph.latent):
        lines.append(("#9bb8dc", f"latent: {type(graph.latent).__name__}, {size} parameters"))
    parts += [svg.legend_line(bottom + 18 + 20 * i, *line) for i, line in enumerate(lines)]
    return svg.drawing(1080, bottom + 24 + 20 * len(lines), "corruption graph", parts)


def _places(graph: Graph) -> _Places:
    rows = [node for view in _starts(graph) for node in (Node.latent(view), Node.teacher(view)) if node in graph.nodes]
    middle = TOP + svg.HIGH / 2 + ROW * (max(len(rows), len(graph.decoders)) - 1) / 2

    def spread(count: int) -> list[float]:
        return [middle + ROW * (i - (count - 1) / 2) for i in range(count)]

    y = dict(zip(rows, spread(len(rows)), strict=True))
    for view in _starts(graph):
        own = [y[node] for node in (Node.latent(view), Node.teacher(view)) if node in y]
        y[Node.view(view)] = sum(own) / len(own) if own else middle
    y |= {Node.output(view): y[Node.latent(view)] for view in graph.corruptions if Node.latent(view) in y}
    y |= {CLEAN: middle, CONSENSUS: middle}
    decoders = dict(zip(graph.decoders, spread(len(graph.decoders)), strict=True))
    bottom = max((*y.values(), *decoders.values())) + ROW / 2 + 8
    given = {name: bottom + ROW * i + svg.HIGH / 2 + 6 for i, name in enumerate(_given(graph))}
    return _Places(y, decoders, given, [*graph.edges], bottom)


def _given(graph: Graph) -> list[str]:
    """Columns that losses take as they are, and no encoder sees."""
    wanted = (name for term in graph.edges for name in graph.objective.terms[term].needs)  # pyright: ignore
    return [name for name in dict.fromkeys(wanted) if name not in _starts(graph)]


def _starts(graph: Graph) -> list[str]:
    """Views, and columns of the data that are encoded, too."""
    nodes = {view: (Node.latent(view), Node.teacher(view)) for view in graph.columns}
    return [*graph.corruptions, *(view for view, some in nodes.items() if graph.nodes.keys() & set(some))]


def _wires(graph: Graph, y: Mapping[Node, float]) -> Iterator[str]:
    """From each node to those that follow from it."""
    for view in _starts(graph):
        if view in graph.corruptions:
            yield svg.line(AT["clean"] + WIDE, y[CLEAN], AT["view"], y[Node.view(view)], GREY)
        for node in (Node.latent(view), Node.teacher(view)):
            if node in graph.nodes:
                dashed = node.kind == "teacher"
                yield svg.line(AT["view"] + WIDE, y[Node.view(view)], AT["encoder"], y[node], GREY, dashed=dashed)
                yield svg.line(AT["encoder"] + NARROW, y[node], AT["latent"], y[node], GREY, dashed=dashed)
                if node in graph.nodes.get(CONSENSUS, ()):
                    yield svg.line(AT["latent"] + WIDE, y[node], AT["consensus"], y[CONSENSUS], GREY)


def _losses(graph: Graph, places: _Places, colours: Mapping[str, str]) -> Iterator[str]:
    """Coloured lines for the edges, and where they pass a head its mark."""
    between: Counter[frozenset[float]] = Counter()
    for term, edges in graph.edges.items():
        lines = [_edge(places, edge, source, term, colours[term], between) for edge in edges for source in edge.sources]
        yield from dict.fromkeys(piece for pieces in lines for piece in pieces)  # those that edges share once
        if heads := _heads(graph, term):
            ends = (end for edge in edges for end in edge.ends if _is_latent(edge) and end.kind != "teacher")
            ports = dict.fromkeys(places.port(places.y[end], term) for end in ends if end in places.y)
            title = f"{term}: {', '.join(heads)}"
            yield from (svg.head_mark(AT["latent"] + WIDE + 11, at, colours[term], title) for at in ports)


def _edge(
    places: _Places, edge: Edge, source: Node, term: str, colour: str, between: Counter[frozenset[float]]
) -> Iterator[str]:
    """A line through a decoder; or an arc between latents, further out the more lie between these two already."""
    y = places.y
    if not _is_latent(edge):
        yield from _decoded(places, edge, source, term, colour)
    elif source in y and edge.target in y:
        start, end = places.port(y[source], term), places.port(y[edge.target], term)
        end, pair = end + 8 if end == start else end, frozenset((y[source], y[edge.target]))
        out = 30 + min(0.35 * abs(end - start), 120) + 16 * between[pair]
        between[pair] += 1
        both = edge.target.kind != "teacher"  # which no gradient enters
        yield svg.arc(AT["latent"] + WIDE, start, end, out, colour, both=both, title=edge.name)


def _is_latent(edge: Edge) -> bool:
    """Whether it leads to a latent, or to an output, and not to what is seen."""
    return edge.target.kind not in ("clean", "view")


def _decoded(places: _Places, edge: Edge, source: Node, term: str, colour: str) -> Iterator[str]:
    """From a latent through a decoder to what it is compared with."""
    x = AT["consensus"] + 66 if source == CONSENSUS else AT["latent"] + WIDE
    of = places.decoders
    at = of.get(edge.target.name, of.get(CLEAN.name, 0.0))  # on the samples' grid it has their decoder
    through = places.port(at, term)
    yield svg.line(x, places.port(places.y[source], term), AT["decoder"], through, colour, title=edge.name)
    yield svg.line(AT["decoder"] + NARROW, through, AT["target"], through, colour, title=term)


def _taken(graph: Graph, places: _Places, colours: Mapping[str, str]) -> Iterator[str]:
    """From each column that a loss takes as it is, below the encoder, to the latents that the loss leads to."""
    x = AT["latent"] + WIDE
    for name, at in places.given.items():
        yield svg.box(AT["view"], at, name, fill="#eef5ea", wide=WIDE)
        for term, edges in graph.edges.items():
            if name not in graph.objective.terms[term].needs:  # pyright: ignore
                continue
            title = f"{term}: {name}"
            yield svg.line(AT["view"] + WIDE, at, x + 3, at, colours[term], title=title, head=False)
            for end in dict.fromkeys(edge.target for edge in edges if _is_latent(edge) and edge.target in places.y):
                to = places.port(places.y[end], term)
                yield svg.arc(x, at, to, 30 + min(0.35 * abs(at - to), 120), colours[term], both=False, title=title)


def _boxes(graph: Graph, places: _Places) -> Iterator[str]:
    y, seen, made, soft = places.y, "#eef5ea", "#f6f6f6", "#e8f0fa"
    yield svg.box(AT["clean"], y[CLEAN], "clean x", fill=seen, wide=WIDE)
    for view in _starts(graph):
        fill = made if view in graph.corruptions else seen
        yield svg.box(AT["view"], y[Node.view(view)], view.replace("-", " → "), fill=fill, wide=WIDE)
    name = type(graph.encoder).__name__.removesuffix("Encoder")
    yield svg.tall_box(AT["encoder"], TOP / 2, places.bottom, NARROW, ["encoder", name, _size(graph.encoder)])
    for node in y:
        if node.kind == "latent":
            yield svg.box(AT["latent"], y[node], f"z {node.name}", fill=soft, wide=WIDE, round=14)
        if node.kind == "teacher":
            yield svg.box(AT["latent"], y[node], f"teacher {node.name}", fill="#fff", wide=WIDE, round=14, dashed=True)
    if CONSENSUS in graph.nodes:
        yield svg.box(AT["consensus"], y[CONSENSUS], "consensus", fill=soft, wide=66, round=14)
    for name, at in places.decoders.items():
        size = _size(graph.decoders[name])
        yield svg.box(AT["decoder"], at, "decoder", fill="#f3ecf7", wide=NARROW, below=size)
        clean = name == CLEAN.name
        yield svg.box(AT["target"], at, "clean x" if clean else name, fill=seen if clean else made, wide=WIDE)


def _described(graph: Graph, name: str) -> str:
    """A term in words."""
    term: Any = graph.objective.terms[name]
    loss, edges = getattr(term, "loss", None), graph.edges[name]
    kind = type(loss).__name__ if isinstance(loss, nn.Module) else type(term).__name__
    count = "1 edge" if len(edges) == 1 else f"{len(edges)} edges"
    heads = "".join(f"; ■ {head}" for head in _heads(graph, name))
    return f"{name}: {kind}, weight {term.weight:g}, {count}{_role(edges)}{heads}"


def _heads(graph: Graph, name: str) -> list[str]:
    """What a term has of its own between the latents and its loss, with its size."""
    parts = graph.objective.terms[name].named_children()
    sizes = {part: _size(module) for part, module in parts if part != "loss"}
    return [f"{part} {size}" for part, size in sizes.items() if size]


def _role(edges: Iterable[Edge]) -> str:
    edges = list(edges)
    attracts = any(edge.attracts for edge in edges)
    prevents = any(edge.prevents_collapse for edge in edges)
    words = [word for word, is_so in (("attracts", attracts), ("prevents collapse", prevents)) if is_so]
    return ": " + ", ".join(words) if words else ""


def _size(module: nn.Module) -> str:
    """Its number of parameters; nothing where there are none."""
    count = sum(p.numel() for p in module.parameters())
    return f"{count:,}" if count else ""
