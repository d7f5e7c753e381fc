"""Energies between embeddings of one source."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.processes import in_two_processes

from ssl_pipeline.losses import Alignment, InfoNCE, PairLoss

SOURCE = torch.tensor([4, 4, 7, 4, 9, 7, 1, 9])


def embeddings() -> torch.Tensor:
    return torch.randn(8, 5, generator=torch.Generator().manual_seed(0))


def test_info_nce_by_source_is_supcon():
    z = [x / x.norm() for x in embeddings()]
    total, asking = 0.0, 0
    for i in range(8):
        partners = [j for j in range(8) if j != i and SOURCE[j] == SOURCE[i]]
        everyone = sum(math.exp(float(z[i] @ z[k]) / 0.3) for k in range(8) if k != i)
        if partners:
            asking += 1
            total -= sum(float(z[i] @ z[j]) / 0.3 - math.log(everyone) for j in partners) / len(partners)
    assert asking == 7
    assert InfoNCE(0.3).by_source(embeddings(), SOURCE).item() == pytest.approx(total / asking, rel=1e-5)


def test_align_by_source_is_the_mean_over_its_pairs():
    z = [x / x.norm() for x in embeddings()]
    pairs = [(i, j) for i in range(8) for j in range(8) if i != j and SOURCE[i] == SOURCE[j]]
    expected = sum(float((z[i] - z[j]).square().sum()) for i, j in pairs) / len(pairs)
    assert Alignment().by_source(embeddings(), SOURCE).item() == pytest.approx(expected, rel=1e-5)


def test_two_views_of_a_sample_are_a_source():
    a, b = embeddings(), embeddings().flip(1)
    own = torch.arange(8)
    loss = InfoNCE(0.3)
    torch.testing.assert_close(loss.by_source(torch.cat([a, b]), torch.cat([own, own])), loss(a, b))


LOSSES: list[PairLoss] = [InfoNCE(0.3), Alignment()]


def _on_rank(rank, queue):
    found = []
    for loss in LOSSES:
        z = embeddings().chunk(2)[rank].clone().requires_grad_()
        value = loss.by_source(z, SOURCE.chunk(2)[rank])
        value.backward()
        found.append((value.item(), z.grad.tolist()))
    queue.put((rank, found))


@pytest.fixture(scope="module")
def of_ranks():
    """Values and gradients of all losses on each of two ranks."""
    return [found for _, found in in_two_processes(_on_rank)]


@pytest.mark.parametrize("number", range(len(LOSSES)), ids=[type(loss).__name__ for loss in LOSSES])
def test_two_processes_equal_one(number, of_ranks):
    z = embeddings().requires_grad_()
    value = LOSSES[number].by_source(z, SOURCE)
    value.backward()
    (first, up), (second, down) = (found[number] for found in of_ranks)
    assert (first + second) / 2 == pytest.approx(value.item(), rel=1e-5)
    # DDP averages over ranks what each of them adds to the weights' gradient.
    torch.testing.assert_close(torch.tensor(up + down) / 2, z.grad)
