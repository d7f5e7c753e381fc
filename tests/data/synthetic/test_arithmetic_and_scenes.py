"""Data sets whose factors are known: sums and scenes."""

from __future__ import annotations

import pytest
import torch

from ssl_pipeline.data import arithmetic, scenes
from ssl_pipeline.data.synthetic.arithmetic import OPERATIONS, distant_sums, every_sum
from ssl_pipeline.data.synthetic.scenes import draw_scenes


@pytest.mark.parametrize(("rule", "mix"), [("add", int.__add__), ("multiply", int.__mul__), ("xor", int.__xor__)])
def test_a_sum_is_written_as_at_school(rule, mix):
    data = arithmetic(rule, bits=4)
    batch = data.test[range(len(data.test))]
    power = 2 ** torch.arange(batch.x.shape[-1])
    a, r = (batch.x[:, 0].long().div(255) * power).sum(-1).long().unbind(1)
    assert r.tolist() == [mix(one, other) for one, other in zip(a.tolist(), batch.label.tolist(), strict=True)]


def test_no_sum_is_shown_and_asked_for():
    data = arithmetic(bits=4)
    shown, asked = ({row.numpy().tobytes() for row in part[range(len(part))].x} for part in (data.train, data.test))
    assert not shown & asked and len(shown) + len(asked) == 15**2


@pytest.mark.parametrize("reach", [2, 4])
@pytest.mark.parametrize("rule", OPERATIONS)
def test_distant_sums_lie_beyond_and_on_the_same_grid(rule, reach):
    sums, data = distant_sums(rule, 4, reach, 50, seed=0), arithmetic(rule, bits=4)
    assert tuple(sums.x.shape[2:]) == data.grid.shape
    for name in "ab":
        assert 16 * reach / 2 <= sums.numbers[name].min() and sums.numbers[name].max() < 16 * reach


def test_carries_are_what_a_sum_adds_to_the_xor():
    numbers = every_sum("add", 5, seed=0).numbers
    assert torch.equal(numbers["xor"] ^ numbers["carry"], numbers["a"] + numbers["b"])
    assert not (numbers["carry"] & 1).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: arithmetic("divide"), "add, multiply, xor"),
        (lambda: arithmetic(bits=9), "2 to 8 bits"),
        (lambda: arithmetic(test=1.0), "between 0 and 1"),
        (lambda: scenes("colour"), "digit, x, y"),
        (lambda: scenes(samples=4), "at least 8"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_scenes_show_their_factors(reach):
    """Measured in the picture: the middle of the light against the place, the light against the strength."""
    made = draw_scenes(200, seed=0, reach=reach)
    light = made.x[:, 0].float() / 255
    assert light.amax() < 1 and light[:, -1].max() < 0.2  # nothing is cut off or too bright
    across = torch.arange(24) + 0.5
    middle = made.factors["size"] / 2
    for axis, name in ((1, "x"), (2, "y")):
        found = (light.sum(axis) * across).sum(1) / light.sum((1, 2))
        assert (found - made.factors[name] - middle).abs().mean() < 0.5
    assert torch.corrcoef(torch.stack([light.amax((1, 2)), made.factors["brightness"]]))[0, 1] > 0.9


def test_factors_of_scenes_are_independent():
    made = draw_scenes(4000, seed=0)
    table = torch.stack([made.digit, *made.factors.values()])
    assert (torch.corrcoef(table) - torch.eye(5)).abs().max() < 0.06


@pytest.mark.parametrize("label", ["digit", "size"])
def test_scenes_are_the_same_each_time_and_labelled(label):
    data, again, other = scenes(label, 80), scenes(label, 80), scenes(label, 80, seed=1)
    assert torch.equal(data.train[range(60)].x, again.train[range(60)].x)
    assert not torch.equal(data.train[range(60)].x, other.train[range(60)].x)
    assert data.train.labels is not None and set(data.train.labels.tolist()) <= set(range(len(data.classes)))
