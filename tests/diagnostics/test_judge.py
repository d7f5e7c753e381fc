"""What numbers of layers and edges are called a fault."""

from __future__ import annotations

from functools import partial

import torch
from helpers.build import build
from helpers.small_models import VIT

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.diagnostics import (
    LossGradients,
    Numbers,
    Passed,
    findings,
    loss_gradients,
)
from ssl_pipeline.diagnostics.step import Moved


def found_in(**parts):
    return [*findings(Numbers({}, (64, 64), **parts))]


def test_what_recovers_is_not_lost():
    layer = partial(Passed, rank=20.0, rank_in=20.0, magnitude=0.0)
    assert found_in(passed={"mask": {"a": layer(0.5), "b": layer(1e-4), "c": layer(0.2)}}) == []
    (lost,) = found_in(passed={"mask": {"a": layer(0.5), "b": layer(1e-4), "c": layer(1e-5)}})
    assert lost.place == "b" and "from b on, only 1e-04 of what comes of mask" in lost.sentence


def test_gradients_and_steps_out_of_bounds():
    even = {"encoder.a": Moved(-3, 0, 0.01), "encoder.b": Moved(-5, 0, 0.01), "decoders.x.c": Moved(-20, 0, 0.0)}
    assert found_in(moved=even) == []
    bad = even | {"encoder.a": Moved(-12, 0, 0.3)}
    kinds = {finding.kind: finding for finding in found_in(moved=bad)}
    assert kinds.keys() == {"leaps", "uneven"} and kinds["uneven"].place == "encoder.a"
    assert "the gradient of encoder.a is 1e-7 of that of encoder.b" in kinds["uneven"].what


def test_a_loss_without_a_gradient_is_dead_and_a_conflict_is_none():
    cosines = torch.tensor([[1.0, -0.7], [-0.7, 1.0]])
    assert found_in(pulls=LossGradients(("a", "b"), torch.tensor([1.0, 2.0]), cosines)) == []
    (dead,) = found_in(pulls=LossGradients(("a", "b"), torch.tensor([0.0, 2.0]), torch.full((2, 2), float("nan"))))
    assert dead.kind == "dead" and dead.place == "a"


def test_no_number_is_no_loss_of_the_input_and_no_pull_at_all_is_said():
    layer = partial(Passed, rank=20.0, rank_in=20.0, magnitude=0.0)
    assert found_in(passed={"mask": {"a": layer(float("nan"))}}) == []
    (dead,) = found_in(pulls=LossGradients(("a", "b"), torch.zeros(2), torch.full((2, 2), float("nan"))))
    assert dead.what == "no loss teaches the encoder anything"
    logits = {"": {"decoders.clean.head": layer(1e-5)}}
    assert found_in(passed=logits, symbols=True) == [] and len(found_in(passed=logits)) == 1


def test_what_is_lost_further_and_further_up_is_the_same_fault():
    layer, keys = partial(Passed, rank=20.0, rank_in=20.0, magnitude=0.0), set()
    for lost in (3, 2, 1):
        layers = {f"l{i}": layer(1e-5 if i >= lost else 0.5) for i in range(5)}
        (found,) = found_in(passed={"mask": layers})
        assert found.place == f"l{lost}"
        keys.add(found.key)
    assert len(keys) == 1


def test_a_relaxed_consensus_teaches_by_its_loss():
    words = ["latent=slots", "latent.heads=2", "latent.fuse=relaxed", "corruption=mask+noise"]
    graph = build(compose([*VIT, *words, "objective=reconstruct+sigreg"]), digits().grid).eval()
    found = loss_gradients(graph, graph.corrupt(digits().train[range(24)], whole=True))
    assert found is not None and "consensus" in found.names and "reconstruct/latent" not in found.names
    assert found_in(pulls=found) == []
