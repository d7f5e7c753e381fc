"""Factors that are mixed and recovered (M20, M21), and the data sets that are made of them."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
import yaml
from helpers.paths import CONF

from ssl_pipeline.data import arithmetic, scenes
from ssl_pipeline.data.synthetic.arithmetic import RULES, as_bits, distant_sums, every_sum
from ssl_pipeline.data.synthetic.scenes import compose
from ssl_pipeline.evaluation.purity import Factor, Seen, purity


@pytest.mark.parametrize("function", [arithmetic, scenes])
def test_yaml_spells_every_option_with_its_default(function):
    options = yaml.safe_load((CONF / f"data/{function.__name__}.yaml").read_text())
    assert options.pop("_target_") == f"ssl_pipeline.data.{function.__name__}"
    assert options == {p.name: p.default for p in inspect.signature(function).parameters.values()}


# ---------------------------------------------------------------- sums


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
@pytest.mark.parametrize("rule", RULES)
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


# ---------------------------------------------------------------- scenes


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_scenes_show_their_factors(reach):
    """Measured in the picture: the middle of the light against the place, the light against the strength."""
    made = compose(200, seed=0, reach=reach)
    light = made.x[:, 0].float() / 255
    assert light.amax() < 1 and light[:, -1].max() < 0.2  # nothing is cut off or too bright
    across = torch.arange(24) + 0.5
    middle = made.factors["size"] / 2
    for axis, name in ((1, "x"), (2, "y")):
        found = (light.sum(axis) * across).sum(1) / light.sum((1, 2))
        assert (found - made.factors[name] - middle).abs().mean() < 0.5
    assert torch.corrcoef(torch.stack([light.amax((1, 2)), made.factors["brightness"]]))[0, 1] > 0.9


def test_factors_of_scenes_are_independent():
    made = compose(4000, seed=0)
    table = torch.stack([made.digit, *made.factors.values()])
    assert (torch.corrcoef(table) - torch.eye(5)).abs().max() < 0.06


@pytest.mark.parametrize("label", ["digit", "size"])
def test_scenes_are_the_same_each_time_and_labelled(label):
    data, again, other = scenes(label, 80), scenes(label, 80), scenes(label, 80, seed=1)
    assert torch.equal(data.train[range(60)].x, again.train[range(60)].x)
    assert not torch.equal(data.train[range(60)].x, other.train[range(60)].x)
    assert data.train.labels is not None and set(data.train.labels.tolist()) <= set(range(len(data.classes)))


# ---------------------------------------------------------------- purity


def factors(n: int, seed: int) -> dict[str, Factor]:
    random = np.random.default_rng(seed)
    return {
        "place": Factor.quantity(random.normal(size=n)),
        "kind": Factor.category(random.integers(0, 3, n), 3),
        "number": Factor.bits(random.integers(0, 2, (n, 4))),
    }


def seen(n: int, seed: int, mix: np.ndarray | None = None) -> Seen:
    made = factors(n, seed)
    z = np.concatenate([some.values for some in made.values()], axis=1)
    return Seen(z if mix is None else z @ mix, made)


def test_pure_features_are_pure():
    (found,) = purity(seen(400, 0), seen(200, 1))
    assert all(score.r2 > 0.999 and score.leakage < 0.01 for score in found.values())
    assert found["kind"].exact == found["number"].exact == 1 and np.isnan(found["place"].exact)


def test_what_features_lack_is_not_found_and_what_they_mix_leaks():
    lacking = np.eye(8)
    lacking[0, 0] = 0
    (found,) = purity(seen(400, 0, lacking), seen(200, 1, lacking))
    assert abs(found["place"].r2) < 0.05 and found["kind"].r2 > 0.99
    mixing = np.eye(8)
    mixing[4, 0], mixing[4, 4] = 2, 0  # a bit lies in the place alone
    (found,) = purity(seen(400, 0, mixing), seen(200, 1, mixing))
    # place + N(0, 1) bit of variance 4 x 1/4: the best readout is half of the sum, a quarter of each variance in it.
    assert found["place"].r2 == pytest.approx(0.5, abs=0.1) and found["place"].leakage == pytest.approx(0.25, abs=0.08)


def test_an_offset_changes_nothing_and_what_does_not_vary_does_not_leak():
    train, test = seen(400, 0), seen(200, 1)
    offset = np.eye(8)[0] * 1e6
    (found,), (moved,) = purity(train, test), purity(*(some._replace(z=some.z + offset) for some in (train, test)))
    assert moved["number"].r2 == pytest.approx(found["number"].r2, abs=1e-3) and moved["kind"].r2 > 0.99
    test.factors["place"].values[:] = 0.5
    (still,) = purity(train, test)
    assert np.isnan(still["place"].leakage) and np.isnan(still["place"].r2) and still["kind"].leakage < 0.01


def test_a_readout_is_measured_on_each_set_and_derived_factors_do_not_leak():
    made = factors(300, 0)
    made["sum"] = Factor.bits(made["number"].values[:, :1] > 0, pure=False)
    some = Seen(np.concatenate([f.values for f in made.values()], axis=1), made)
    near, far = purity(some, some, some._replace(z=some.z + 1))
    assert near["sum"].r2 > 0.99 > far["place"].r2 and np.isnan(near["sum"].leakage) and near["number"].leakage < 0.02
    with pytest.raises(ValueError, match="the factors place, kind, number, sum in every set"):
        purity(some, seen(10, 0))


@pytest.mark.parametrize("width", [8, 6, 3])
def test_mixing_does_not_purify(width):
    """M21, for sums: an extractor of some noise, mixed by random matrices, is no purer than before."""
    random = np.random.default_rng(width)
    train, test = (
        some._replace(z=some.z + random.normal(size=some.z.shape) / 2) for some in (seen(2000, 0), seen(2000, 1))
    )
    (before,) = purity(train, test)
    for _ in range(5):
        mix = random.normal(size=(8, width))
        (after,) = purity(train._replace(z=train.z @ mix), test._replace(z=test.z @ mix))
        assert all(after[name].r2 < before[name].r2 + 0.01 for name in before)
        assert width == 8 or sum(after[k].r2 for k in after) < sum(before[k].r2 for k in before) - 0.1


def test_xor_is_not_in_a_sum_and_and_is_nearly():
    """M20 on the raw input: of an XOR no line knows anything, of the AND two thirds of the variance and every bit."""
    sums = every_sum("xor", 5, seed=0)
    x = sums.x.flatten(1).numpy() / 255
    bits = {name: Factor.bits(as_bits(number, 5).numpy()) for name, number in sums.numbers.items()}
    cut = 3 * len(x) // 4
    train, test = (
        Seen(x[some], {k: f._replace(values=f.values[some]) for k, f in bits.items()})
        for some in (slice(cut), slice(cut, None))
    )
    (found,) = purity(train, test)
    assert found["a"].exact == 1 and abs(found["b"].r2) < 0.05 and found["b"].exact < 0.1
    assert found["and"].r2 == pytest.approx(2 / 3, abs=0.05) and found["and"].exact == 1
