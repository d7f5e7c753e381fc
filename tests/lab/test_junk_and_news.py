"""Junk is drawn less often (M35), and unseen classes are new (M36)."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from helpers.paths import SCRIPTS

from ssl_pipeline.data import Subset, digits

sys.path.append(str(SCRIPTS))
import probe_curation


@pytest.mark.slow
def test_junk_is_drawn_less_and_probes_are_no_worse(tmp_path):
    """M35, in two seeds and few steps; the table in docs/curation.md is of more."""
    words, gains = ["hardware.precision=32-true", "data@data.of=digits", "sampler.every=2"], []
    for seed in (0, 1):
        uniform, _ = probe_curation.curated("simclr", "junk, uniform", seed, 300, tmp_path, words)
        chosen, shares = probe_curation.curated("simclr", "junk, curated", seed, 300, tmp_path, words)
        assert shares[0] == pytest.approx(0.3, abs=0.01)
        assert chosen["curation/junk_share"] < 0.25 and np.mean(shares[2:]) < 0.25
        gains.append(chosen["few_shot"] - uniform["few_shot"])
    assert np.mean(gains) > -1.0  # a seed differs by that


@pytest.mark.slow
def test_unseen_classes_are_new_and_noise_is_not():
    """M36, of SimCLR on digits; its AUROC is below 0.9 with MAE there, and on Fashion-MNIST: see the table."""
    held = [8, 9]
    data = probe_curation.known_and_junk(digits(), held, None)
    assert not torch.isin(data.clean.labels, torch.tensor(held)).any() and isinstance(data.clean, Subset)
    found = probe_curation.novel(probe_curation.trained("simclr", data, 300, 0), data, held)
    assert found.auroc > 0.9
    assert found.revisited < found.unseen / 2
    assert found.noise < found.unseen / 2
