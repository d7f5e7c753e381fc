"""Factors that are mixed and recovered (M20, M21)."""

from __future__ import annotations

import numpy as np
import pytest

from ssl_pipeline.data.synthetic.arithmetic import as_bits, every_sum
from ssl_pipeline.lab.purity import Factor, Seen, purity


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
