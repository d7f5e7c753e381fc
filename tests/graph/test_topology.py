"""The validator names what is wrong and what to add."""

from __future__ import annotations

import pytest
from helpers.nodes import edge, node, nodes

from ssl_pipeline.graph.topology import check_topology, consensus_edges, topology

NODES = nodes(
    {"clean": (), "view/a": ("clean",), "view/b": ("clean",), "latent/a": ("view/a",), "latent/b": ("view/b",)}
)


ALIGN = edge("align/a~b", "latent/a", "latent/b", attracts=True)
DECODE_A = edge("reconstruct/a", "latent/a", "clean", prevents=True)
DECODE_B = edge("reconstruct/b", "latent/b", "clean", prevents=True)


def test_sound_graphs_pass():
    check_topology(NODES, [DECODE_A, DECODE_B])
    check_topology(NODES, [ALIGN, DECODE_A])
    check_topology(NODES, [edge("info_nce/a~b", "latent/a", "latent/b", attracts=True, prevents=True)])


def test_unknown_node_names_the_nearest():
    with pytest.raises(ValueError, match="'view/aa', which does not exist; nearest: view/a"):
        check_topology(NODES, [edge("translate", "latent/a", "view/aa")])


def test_unknown_parent():
    with pytest.raises(ValueError, match="node latent/c follows from 'view/c'"):
        check_topology(NODES | nodes({"latent/c": ("view/c",)}), [DECODE_A])


def test_cycle_names_its_links():
    with pytest.raises(ValueError, match=r"has a cycle: .*view/a.*view/b"):
        check_topology(NODES | nodes({"view/a": ("view/b",), "view/b": ("view/a",)}), [DECODE_A, DECODE_B])


def test_no_loss():
    with pytest.raises(ValueError, match="add a term"):
        check_topology(NODES, [])


def test_latent_without_loss():
    with pytest.raises(ValueError, match="no loss reaches the latent of view b"):
        check_topology(NODES, [DECODE_A])


def test_attraction_alone_collapses():
    with pytest.raises(ValueError, match=r"latent/a, latent/b only attract each other.*info_nce"):
        check_topology(NODES, [ALIGN])
    check_topology(NODES, [ALIGN], allow_collapse=True)


def test_a_far_anchor_does_not_help_another_component():
    more = NODES | nodes({"latent/c": ("view/a",), "latent/d": ("view/b",)})
    other = edge("align/c~d", "latent/c", "latent/d", attracts=True)
    with pytest.raises(ValueError, match="latent/c, latent/d"):
        check_topology(more, [ALIGN, DECODE_A, other])


def test_an_anchor_reaches_through_the_component():
    more = NODES | nodes({"latent/c": ("view/a",)})
    check_topology(more, [ALIGN, edge("align/b~c", "latent/b", "latent/c", attracts=True), DECODE_A])


BALL = NODES | nodes({"consensus": ("latent/a", "latent/b")})
DECODE_BALL = edge("reconstruct/consensus", "consensus", "clean", prevents=True)


def test_what_decodes_a_relaxed_ball_anchors_none_of_its_views():
    check_topology(BALL, [DECODE_BALL])  # a mean passes gradients to its views
    check_topology(BALL, [DECODE_BALL, ALIGN])
    with pytest.raises(ValueError, match="latent/a, latent/b only attract"):
        check_topology(BALL, [edge("read/consensus", "consensus", "clean"), ALIGN])
    with pytest.raises(
        ValueError, match=r"consensus loss teaches latent/a, latent/b, .*reconstruct\+sigreg.*latent.fuse=mean"
    ):
        check_topology(BALL, [DECODE_BALL, *consensus_edges("ab")])
    check_topology(BALL, [DECODE_BALL, *consensus_edges("ab")], allow_collapse=True)
    check_topology(BALL, [DECODE_BALL, *consensus_edges("ab"), edge("sigreg/a~b", "latent/a", "latent/b", True, True)])


def test_a_predictor_is_named_by_its_key():
    edges = [edge("byol/a>b", "latent/a", "teacher/b", attracts=True)]
    with pytest.raises(ValueError, match=r"latent/a, latent/b only attract.*\(objective\.byol\.predictor\)"):
        check_topology(topology("ab", edges, consensus=False).nodes, edges)


def test_what_only_the_teacher_sees_is_not_encoded():
    found = topology("ab", [edge("moco/a>b", "latent/a", "teacher/b", attracts=True)], consensus=False)
    assert found.students == ["a"] and found.teacher_views == ["b"]
    assert found.nodes[node("teacher/b")] == (node("view/b"),) and node("latent/b") not in found.nodes
    assert topology("ab", [DECODE_BALL], consensus=True).nodes == BALL
