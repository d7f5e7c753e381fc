"""The graph on paper: which node follows from which, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from ssl_pipeline.structures.nodes import CLEAN, CONSENSUS, Edge, Node

Parents = Mapping[Node, Sequence[Node]]


class Topology(NamedTuple):
    """The nodes of a graph, and who sees its views."""

    nodes: dict[Node, tuple[Node, ...]]  # each with its parents
    students: list[str]  # views that the encoder sees: all but those that the losses want of the teacher alone
    teacher_views: list[str]  # views and columns that the teacher sees
    encoded_columns: list[str]  # columns that the encoder sees


def topology(views: Sequence[str], edges: Sequence[Edge], consensus: bool, columns: Sequence[str] = ()) -> Topology:
    """The nodes that views and losses call for.

    Args:
        views: names of all views.
        edges: the losses.
        consensus: whether all views become one latent.
        columns: names of what belongs to each sample besides itself. Such a one is a view that no corruption made.
    """
    ends = {end for edge in edges for end in edge.ends}
    teacher_views = [view for view in (*views, *columns) if Node.teacher(view) in ends]
    outputs = [view for view in views if Node.output(view) in ends]
    only = [view for view in teacher_views if Node.latent(view) not in ends and view not in outputs and not consensus]
    students = [view for view in views if view not in only]
    encoded = [column for column in columns if Node.latent(column) in ends]
    nodes: dict[Node, tuple[Node, ...]] = {CLEAN: ()}
    nodes |= {Node.view(v): (CLEAN,) for v in views} | {Node.view(c): () for c in columns}
    nodes |= {Node.latent(v): (Node.view(v),) for v in (*students, *encoded)}
    nodes |= {Node.teacher(v): (Node.view(v),) for v in teacher_views}
    nodes |= {Node.output(v): (Node.latent(v),) for v in outputs}
    if consensus:
        nodes[CONSENSUS] = tuple(Node.latent(v) for v in views)
    return Topology(nodes, students, teacher_views, encoded)


def leading(edges: Sequence[Edge], target: Node, views: Sequence[str]) -> list[str]:
    """The views whose latents, each by itself, a loss leads to a node; all of them where their consensus does.

    To the clean form lead outputs, too, that are only compared with each other.
    """
    starts = {edge.source for edge in edges if edge.target == target and len(edge.sources) == 1}
    if target == CLEAN:
        starts |= {Node.latent(end.name) for edge in edges for end in edge.ends if end.kind == "output"}
    return [view for view in views if Node.latent(view) in starts or CONSENSUS in starts]


def decoded_nodes(edges: Sequence[Edge]) -> list[Node]:
    """The nodes that need a decoder: the clean form, and views."""
    wanted = (CLEAN if edge.target.kind == "output" else edge.target for edge in edges)
    return [*dict.fromkeys(node for node in wanted if node.kind in ("clean", "view"))]


def consensus_edges(views: Sequence[str]) -> list[Edge]:
    """What holds a relaxed consensus: it attracts the latents of all views, and teaches them only where it lies."""
    return [Edge(f"consensus/{v}", (Node.latent(v),), CONSENSUS, attracts=True, prevents_collapse=False) for v in views]


def check_topology(nodes: Parents, edges: Sequence[Edge], allow_collapse: bool = False) -> None:
    """Refuse a graph that cannot learn.

    Args:
        nodes: each node with its parents.
        edges: the losses.
        allow_collapse: accept latents, or outputs, that only attract each other, to study their collapse.

    Raises:
        ValueError: an unknown node, a cycle, no loss, a latent without any, or attraction that nothing balances;
            the sentence says what to add.
    """
    for node, parents in nodes.items():
        for parent in parents:
            _known(parent, nodes, f"node {node} follows from")
    for edge in edges:
        for end in edge.ends:
            _known(end, nodes, f"loss {edge.name} leads to")
    try:
        TopologicalSorter(nodes).prepare()
    except CycleError as error:
        links = " -> ".join(map(str, error.args[1]))
        raise ValueError(f"the graph has a cycle: {links}; remove one of these links") from None
    if not edges:
        raise ValueError("the objective has no loss: add a term, for example objective=reconstruct")
    _every_latent_used(nodes, edges)
    if not allow_collapse:
        _nothing_collapses(nodes, edges)


def _known(node: Node, nodes: Parents, what: str) -> None:
    if node not in nodes:
        names = [*map(str, nodes)]
        near = ", ".join(get_close_matches(str(node), names, n=3)) or ", ".join(names)
        raise ValueError(f"{what} {str(node)!r}, which does not exist; nearest: {near}")


def _every_latent_used(nodes: Parents, edges: Sequence[Edge]) -> None:
    used, waiting = set(), [end for edge in edges for end in edge.ends]
    while waiting:
        if (node := waiting.pop()) not in used:
            used.add(node)
            waiting += nodes[node]
    if idle := [node.name for node in nodes if node.kind == "latent" and node not in used]:
        raise ValueError(
            f"no loss reaches the latent of view {', '.join(idle)}: add a term that uses it "
            f"(objective=...+reconstruct) or take the view out of corruption="
        )


def _nothing_collapses(nodes: Parents, edges: Sequence[Edge]) -> None:
    """Latents tied by attraction form components; each needs a loss that a constant latent does not minimise.

    A loss on a consensus counts for all of its views where it is their mean. Where it is relaxed it counts for none: on
    its way it has seen the clean sample, and it is detached.
    """
    component: dict[Node, set[Node]] = {}
    for edge in edges:
        if edge.attracts:
            merged = set().union(*(component.get(end, {end}) for end in _tied(edge)))
            component |= dict.fromkeys(merged, merged)
    anchored = {end for edge in edges if edge.prevents_collapse for end in _tied(edge)}
    anchored |= {Node.output(s.name) for e in edges if e.prevents_collapse and e.target == CLEAN for s in e.sources}
    if CONSENSUS in anchored and CONSENSUS not in component:
        anchored |= set(nodes[CONSENSUS])
    anchored -= {CONSENSUS}
    for members in component.values():
        if not members & anchored:
            raise ValueError(_collapses(members, edges))


def _collapses(members: set[Node], edges: Sequence[Edge]) -> str:
    """The sentence about nodes that only attract each other."""
    names = ", ".join(sorted(map(str, members - {CONSENSUS})))
    if CONSENSUS in members:
        return (
            f"latent.fuse=relaxed: only the consensus loss teaches {names}, and it is zero where these are one "
            f"constant for all samples, while the consensus between them has seen the clean sample: add a term that "
            f"keeps samples apart (objective=reconstruct+sigreg, +vicreg or +info_nce), set latent.fuse=mean, or set "
            f"allow_collapse=true"
        )
    if any(node.kind == "output" for node in members):
        return (
            f"what is decoded from {', '.join(sorted(node.name for node in members))} is only compared with each "
            f"other, so the best solution is one constant output for all samples: add a term that leads one of them "
            f"to the clean form (objective=...+cross_entropy or +reconstruct), or set allow_collapse=true"
        )
    predictors = dict.fromkeys(
        f"objective.{edge.name.partition('/')[0]}.predictor"
        for edge in edges
        if edge.target.kind == "teacher" and members & {*_tied(edge)}
    )
    heads = f"give the term that predicts a teacher its predictor ({', '.join(predictors)}), " if predictors else ""
    return (
        f"{names} only attract each other, so the best solution is one constant for all samples: add a term that "
        f"prevents it (objective=...+reconstruct, +info_nce, +vicreg or +sigreg), {heads}or set allow_collapse=true"
    )


def _tied(edge: Edge) -> tuple[Node, ...]:
    """The ends; a teacher follows its student, so that the two collapse together."""
    return tuple(Node.latent(end.name) if end.kind == "teacher" else end for end in edge.ends)
