"""The graph on paper: which node follows from which, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from ssl_pipeline.structures.nodes import (
    CLEAN,
    CONSENSUS,
    Edge,
    latent_node,
    output_node,
    teacher_node,
    view_node,
    view_of,
)


class Plan(NamedTuple):
    """The nodes of a graph, and who sees its views."""

    nodes: dict[str, tuple[str, ...]]  # each with its parents
    students: list[str]  # views that the encoder sees: all but those that the energies want of the teacher alone
    teacher_views: list[str]  # views and columns that the teacher sees
    known: list[str]  # columns that the encoder sees


def plan(views: Sequence[str], edges: Sequence[Edge], consensus: bool, columns: Sequence[str] = ()) -> Plan:
    """The nodes that views and energies call for.

    Args:
        views: names of all views.
        edges: the energies.
        consensus: whether all views become one latent.
        columns: names of what belongs to each sample besides itself. Such a one is a view that nothing made.
    """
    ends = {end for edge in edges for end in (edge.source, edge.target)}
    teacher_views = [view for view in (*views, *columns) if teacher_node(view) in ends]
    decoded = [view for view in views if output_node(view) in ends]
    only = [view for view in teacher_views if latent_node(view) not in ends and view not in decoded and not consensus]
    students = [view for view in views if view not in only]
    nodes: dict[str, tuple[str, ...]] = {CLEAN: ()}
    nodes |= {view_node(v): (CLEAN,) for v in views} | {view_node(c): () for c in columns}
    known = [column for column in columns if latent_node(column) in ends]
    nodes |= {latent_node(v): (view_node(v),) for v in (*students, *known)}
    nodes |= {teacher_node(v): (view_node(v),) for v in teacher_views}
    nodes |= {output_node(v): (latent_node(v),) for v in decoded}
    if consensus:
        nodes[CONSENSUS] = tuple(latent_node(v) for v in views)
    return Plan(nodes, students, teacher_views, known)


def alone(edges: Sequence[Edge]) -> list[Edge]:
    """Those edges whose energy starts from one node only: of several, each has an edge of the same name."""
    count = Counter(edge.name for edge in edges)
    return [edge for edge in edges if count[edge.name] == 1]


def leading(edges: Sequence[Edge], target: str, views: Sequence[str]) -> list[str]:
    """The views whose latents, each by itself, an energy leads to a node; all of them where their consensus does.

    To the clean form lead outputs, too, that are only compared with each other.
    """
    starts = {view_of(edge.source) for edge in alone([edge for edge in edges if edge.target == target])}
    if target == CLEAN:
        starts |= {view_of(end) for edge in edges for end in edge[1:3] if _is_output(end)}
    return [view for view in views if view in starts or CONSENSUS in starts]


def decoded(edges: Sequence[Edge]) -> list[str]:
    """The nodes that need a decoder: the clean form, and views."""
    wanted = (CLEAN if _is_output(edge.target) else edge.target for edge in edges)
    return [*dict.fromkeys(node for node in wanted if node == CLEAN or node.startswith("view/"))]


def consensus_loss(views: Sequence[str]) -> list[Edge]:
    """What holds a relaxed ball: it attracts the latents of all views, and teaches them nothing but where it lies."""
    return [Edge(f"springs/{v}", latent_node(v), CONSENSUS, attracts=True, prevents_collapse=False) for v in views]


def check(nodes: Mapping[str, Sequence[str]], edges: Sequence[Edge], allow_collapse: bool = False) -> None:
    """Refuse a graph that cannot learn.

    Args:
        nodes: each node with its parents.
        edges: the energies.
        allow_collapse: accept latents, or outputs, that only attract each other, to study their collapse.

    Raises:
        ValueError: an unknown node, a cycle, no energy, a latent without any, or attraction that nothing balances;
            the sentence says what to add.
    """
    for name, parents in nodes.items():
        for parent in parents:
            _known(parent, nodes, f"node {name} follows from")
    for edge in edges:
        for end in (edge.source, edge.target):
            _known(end, nodes, f"energy {edge.name} leads to")
    try:
        TopologicalSorter(nodes).prepare()
    except CycleError as error:
        raise ValueError(f"the graph has a cycle: {' -> '.join(error.args[1])}; remove one of these links") from None
    if not edges:
        raise ValueError("the objective has no energy: add a term, for example objective=reconstruct")
    _every_latent_used(nodes, edges)
    if not allow_collapse:
        _nothing_collapses(nodes, edges)


def _known(name: str, nodes: Mapping[str, Sequence[str]], what: str) -> None:
    if name not in nodes:
        near = ", ".join(get_close_matches(name, nodes, n=3)) or ", ".join(nodes)
        raise ValueError(f"{what} {name!r}, which does not exist; nearest: {near}")


def _every_latent_used(nodes: Mapping[str, Sequence[str]], edges: Sequence[Edge]) -> None:
    used, waiting = set(), [end for edge in edges for end in (edge.source, edge.target)]
    while waiting:
        if (node := waiting.pop()) not in used:
            used.add(node)
            waiting += nodes[node]
    if idle := [n for n in nodes if n.startswith("latent/") and n not in used]:
        views = ", ".join(n.removeprefix("latent/") for n in idle)
        raise ValueError(
            f"no energy reaches the latent of view {views}: add a term that uses it (objective=...+reconstruct) "
            f"or take the view out of corruption="
        )


def _nothing_collapses(nodes: Mapping[str, Sequence[str]], edges: Sequence[Edge]) -> None:
    """Latents tied by attraction form components; each needs an energy that a constant latent does not minimise.

    An energy on a ball counts for all of its views where it is their mean. Where it lies between springs it counts for
    none: the ball is told of the clean sample, or it is detached.
    """
    component: dict[str, set[str]] = {}
    for edge in edges:
        if edge.attracts:
            source, target = _ends(edge)
            merged = component.get(source, {source}) | component.get(target, {target})
            component |= dict.fromkeys(merged, merged)
    anchored = {end for edge in edges if edge.prevents_collapse for end in _ends(edge)}
    anchored |= {output_node(view_of(e.source)) for e in edges if e.prevents_collapse and e.target == CLEAN}
    if CONSENSUS in anchored and CONSENSUS not in component:
        anchored |= set(nodes[CONSENSUS])
    anchored -= {CONSENSUS}
    for members in component.values():
        if members & anchored:
            continue
        names = ", ".join(sorted(members - {CONSENSUS}))
        if CONSENSUS in members:
            raise ValueError(
                f"latent.fuse=relaxed: nothing but its springs teaches {names}, and they cost nothing where these are "
                f"one constant for all samples, while the ball between them is told of the clean sample: add a term "
                f"that keeps samples apart (objective=reconstruct+sigreg, +vicreg or +info_nce), "
                f"set latent.fuse=mean, or set allow_collapse=true"
            )
        if any(map(_is_output, members)):
            raise ValueError(
                f"what is decoded from {', '.join(sorted(map(view_of, members)))} is only compared with each other, so "
                f"the best solution is one constant output for all samples: add a term that leads one of them to the "
                f"clean form (objective=...+cross_entropy or +reconstruct), or set allow_collapse=true"
            )
        predictors = dict.fromkeys(
            f"objective.{edge.name.partition('/')[0]}.predictor"
            for edge in edges
            if edge.target.startswith("teacher/") and set(_ends(edge)) & members
        )
        heads = f"give the term that predicts a teacher its predictor ({', '.join(predictors)}), " if predictors else ""
        raise ValueError(
            f"{names} only attract each other, so the best solution is one constant for all samples: add a term "
            f"that prevents it (objective=...+reconstruct, +info_nce, +vicreg or +sigreg), {heads}"
            f"or set allow_collapse=true"
        )


def _is_output(node: str) -> bool:
    return node.startswith("output/")


def _ends(edge: Edge) -> tuple[str, str]:
    """Both ends; a teacher follows its student, so that the two collapse together."""
    return edge.source, edge.target.replace("teacher/", "latent/")
