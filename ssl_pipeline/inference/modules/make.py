"""The models of a graph by their names."""

from __future__ import annotations

import re
from collections.abc import Callable

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.inference.modules.base import Part
from ssl_pipeline.inference.modules.edge import Relation
from ssl_pipeline.inference.modules.inverse import Embedder, Restorer, Translator
from ssl_pipeline.inference.modules.source import UNKNOWN
from ssl_pipeline.inference.modules.split import Back, Front, NextSymbol
from ssl_pipeline.objectives import CrossModal
from ssl_pipeline.structures.nodes import CLEAN, Node


def make(graph: Graph, part: str, view: str | None = None) -> Part:
    """A model by its name.

    Args:
        graph: trained.
        part: ``encoder``, ``teacher``, ``decoder``, ``restorer:VIEW``, ``translator:VIEW-VIEW``, ``edge:NAME``,
            ``front@CUT`` or ``back@CUT``.
        view: their corruption, of an encoder or of halves; ``unknown`` where not given.

    Raises:
        ValueError: no such part, or the graph does not hold it.
    """
    kind, mark, what = re.match(r"(\w*)([:@]?)(.*)", part).groups()  # pyright: ignore[reportOptionalMemberAccess]
    seen = view or UNKNOWN
    if mark and kind in ("restorer", "translator", "edge") and view not in (None, UNKNOWN):
        raise ValueError(f"{part} says itself which view it takes: leave out view={view}")
    makers: dict[tuple[str, str], Callable[[], Part]] = {
        ("encoder", ""): lambda: Embedder(graph, seen),
        ("teacher", ""): lambda: Embedder(graph, seen, teacher=True),
        ("decoder", ""): lambda: _decoder(graph, seen),
        ("restorer", ":"): lambda: Restorer(graph, what),
        ("translator", ":"): lambda: Translator(graph, *_two(graph, what)),
        ("edge", ":"): lambda: Relation(graph, what),
        ("front", "@"): lambda: Front(graph, what, seen),
        ("back", "@"): lambda: Back(graph, what, seen),
    }
    if (kind, mark) not in makers:
        raise ValueError(
            f"there is no part {part!r}: expected encoder, teacher, decoder, restorer:VIEW, translator:VIEW-VIEW, "
            f"edge:NAME, front@CUT or back@CUT"
        )
    return makers[kind, mark]().eval()


def names(graph: Graph) -> list[str]:
    """What ``make`` makes of a graph: of restorers and translators those that it has learned to be."""
    restores = CLEAN.name in graph.decoders
    found = ["encoder", *(["teacher"] if graph.teacher else []), *(["decoder"] if restores else [])]
    found += [f"restorer:{view}" for view in (views_leading_to(graph) if restores else ())]
    found += [f"translator:{view}-{to}" for to in graph.corruptions for view in views_leading_to(graph, Node.view(to))]
    found += [f"edge:{name}" for name, term in graph.objective.named() if isinstance(term, CrossModal)]
    return [*found, "front@CUT", *(["back@CUT"] if restores else [])]


def _decoder(graph: Graph, view: str) -> Part:
    """What leads from the latent to the clean form; of a decoder that writes symbol after symbol one step."""
    back = Back(graph, "latent", view)
    return NextSymbol(graph, view) if back.decoder().causal else back


def _two(graph: Graph, names: str) -> tuple[str, str]:
    """Two views parted by a dash, of whose names each may hold dashes."""
    words, views = names.split("-"), graph.corruptions
    splits = [("-".join(words[:i]), "-".join(words[i:])) for i in range(1, len(words))]
    found = [(a, b) for a, b in splits if a in views and b in views]
    if len(found) != 1:
        what = "which can be read in several ways" if found else f"and views are {', '.join(views)}"
        raise ValueError(f"translator:{names}: expected two views parted by -, {what}")
    return found[0]
