"""Patches, position codes and the cross-attention block."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from helpers.cases import GRIDS

from ssl_pipeline.models.layers import (
    CausalBlock,
    CrossBlock,
    NGrams,
    Normalize,
    Patches,
    Projector,
    Prototypes,
    Trunk,
    first_true,
    masked_mean,
    sincos,
)
from ssl_pipeline.models.layers.conv import conv_nd
from ssl_pipeline.models.layers.ngrams import ngram_buckets
from ssl_pipeline.structures.grid import GridSpec


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_split_and_join_are_inverse(name):
    grid = GRIDS[name]
    patches = Patches(grid, 2)
    if grid.discrete:
        x = torch.randint(0, grid.vocab, (3, *grid.shape))
        assert patches.split(x).shape == (3, patches.count, patches.width)
        assert patches.split(x).flatten().sort().values.equal(x.flatten().sort().values)
    else:
        x = torch.randn(3, grid.channels, *grid.shape)
        torch.testing.assert_close(patches.join(patches.split(x)), x)


def test_patches_are_in_row_major_order():
    grid = GridSpec.of(("y", 4), ("x", 6), channels=1)
    x = torch.arange(24.0).view(1, 1, 4, 6)
    assert Patches(grid, 2).split(x)[0, 1].tolist() == [2, 3, 8, 9]


def test_centres_are_the_middle_of_patches():
    grid = GridSpec.of(("y", 4), ("x", 6, 0.5), channels=1)
    centres = Patches(grid, 2).centres(grid.coordinates())
    assert centres[0, 0].tolist() == [1.0, 0.5]
    assert centres[0, -1].tolist() == [3.0, 2.5]


def test_patch_that_does_not_divide_names_those_that_do():
    with pytest.raises(ValueError, match=r"patch=3 does not divide the 8 cells of axis x; take one of \[1, 2, 4, 8\]"):
        Patches(GridSpec.of(("x", 8), channels=1), 3)


def test_views_of_other_sizes_are_cut_where_patches_divide_them():
    clean = GridSpec.of(("y", 8), ("x", 12, 0.5), channels=3)
    patches, small = Patches(clean, (2, 3)), clean.resized((4, 6))
    x = torch.randn(5, 3, 4, 6)
    blocks = x.unfold(2, 2, 2).unfold(3, 3, 3).permute(0, 2, 3, 1, 4, 5).reshape(5, 4, 18)
    torch.testing.assert_close(patches.split(x), blocks)
    assert patches.shape_of((4, 6)) == (2, 2) and patches.shape == (4, 4)
    # the same extent of 8 by 6 units, halved twice
    assert patches.centres(small.coordinates())[0].tolist() == [[2, 1.5], [2, 4.5], [6, 1.5], [6, 4.5]]
    mask = torch.zeros(1, 4, 6, dtype=torch.bool)
    mask[:, :2, 3:] = mask[:, 3, 0] = True
    assert patches.wholly(mask).tolist() == [[False, True, False, False]]


def test_a_view_that_patches_do_not_divide_is_refused_with_sizes_that_do():
    patches = Patches(GridSpec.of(("y", 28), ("x", 28), channels=1), 4)
    with pytest.raises(ValueError, match=r"view of 14 cells along x.*patches of 4.*size=16.*one of \[1, 2, 7, 14\]"):
        patches.split(torch.zeros(2, 1, 28, 14))


def test_first_true_keeps_order():
    mask = torch.tensor([[False, True, True, False, True], [True, True, False, False, True]])
    assert first_true(mask, 3).tolist() == [[1, 2, 4], [0, 1, 4]]


def test_position_codes_tell_places_apart():
    grid = GridSpec.of(("y", 7), ("x", 7), channels=1)
    code = sincos(grid.coordinates().flatten(1, 2), 32)[0]
    distance = torch.cdist(code, code) + torch.eye(49) * 9
    assert code.shape == (49, 32)
    assert distance.min() > 0.1


def test_masked_mean():
    tokens, valid = torch.tensor([[[1.0], [5.0]]]), torch.tensor([[True, False]])
    assert masked_mean(tokens, valid).item() == 1
    assert masked_mean(tokens, None).item() == 3


def test_heads_must_divide():
    with pytest.raises(ValueError, match="heads=3 must divide the width 16"):
        CrossBlock(16, 8, 3)


@pytest.mark.parametrize("option", ["hidden", "out", "layers"])
def test_a_projector_without_numbers_is_refused(option):
    with pytest.raises(ValueError, match=f"at least 1, got .*{option}=0"):
        Projector(**{option: 0})


def test_last_norm_standardises_the_projection_and_adds_no_weight():
    z = 5 + 3 * torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    plain, normed = (Projector(8, 4, layers=2, last_norm=n).bind(6) for n in (False, True))
    out = normed(z)
    torch.testing.assert_close(out.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(0, unbiased=False), torch.ones(4), atol=1e-2, rtol=0)
    assert [name for name, _ in normed.named_parameters()] == [name for name, _ in plain.named_parameters()]
    normed.load_state_dict(plain.state_dict(), strict=False)
    raw = plain(z)
    torch.testing.assert_close(normed(z), (raw - raw.mean(0)) / (raw.var(0, unbiased=False) + 1e-5).sqrt())


def test_prototypes_give_cosines():
    z = torch.randn(7, 6, generator=torch.Generator().manual_seed(0))
    head = Prototypes(hidden=8, bottleneck=3, count=5, layers=2).bind(6)
    with torch.no_grad():
        scores, projection = head(z), head.projector(z)
        for row, x in zip(scores, projection, strict=True):
            for score, prototype in zip(row, head.prototypes, strict=True):
                assert score.item() == pytest.approx(float(x @ prototype / (x.norm() * prototype.norm())), abs=1e-5)
        head.prototypes *= torch.tensor([[1e-3], [2.0], [3.0], [4.0], [5.0]])
        torch.testing.assert_close(head(z), scores)
    head(z).square().sum().backward()
    assert head.prototypes.grad.abs().sum() > 0
    with torch.autocast("cpu", torch.bfloat16):
        assert head(z).dtype == torch.float32


def test_standardise_is_invertible():
    grid = GRIDS["image"]
    layer = Normalize(grid, [0.1, 0.5, 0.9], [0.2, 0.3, 0.4])
    x = torch.rand(2, 3, *grid.shape)
    torch.testing.assert_close(layer.inverse(layer(x)), x)
    assert layer(x)[:, 1].mean().item() == pytest.approx((x[:, 1].mean().item() - 0.5) / 0.3, abs=1e-5)


@pytest.mark.parametrize("window", [None, 1, 3])
@pytest.mark.parametrize("steps", [[1] * 6, [2, 3, 1], [4, 2]])
def test_causal_block_continues_where_it_was(window, steps):
    torch.manual_seed(0)
    block = CausalBlock(16, 8, 2, window)
    x, memory = torch.randn(2, 6, 16), block.cross.remember(torch.randn(2, 3, 8))
    whole, _ = block(x, memory)
    past, parts = None, []
    for part in x.split(steps, dim=1):
        out, past = block(part, memory, past=past)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-4, atol=1e-5)


def test_trunk_attends_to_valid_tokens():
    torch.manual_seed(0)
    trunk = Trunk(16, 2, 2)
    tokens, valid = torch.randn(2, 5, 16), torch.tensor([[True, True, True, False, False]] * 2)
    torch.testing.assert_close(trunk(tokens, valid)[:, :3], trunk(tokens[:, :3]), rtol=1e-4, atol=1e-5)


def test_ngrams_share_a_bucket_when_they_are_the_same():
    text = torch.randint(0, 3, (4, 30), generator=torch.Generator().manual_seed(0))
    found = ngram_buckets(text, 4, 2**30)
    for n in (2, 3, 4):
        names = [tuple([-1] * (n - 1) + row)[t : t + n] for row in text.tolist() for t in range(30)]
        buckets = found[:, n - 2].flatten().tolist()
        assert len(set(names)) == len(set(buckets)) == len(set(zip(names, buckets, strict=True)))


def test_ngrams_fill_their_buckets_evenly():
    text = torch.randint(97, 123, (64, 128), generator=torch.Generator().manual_seed(0))
    pairs, used = 26 * 26, ngram_buckets(text, 2, 1024)[:, 0, 1:].unique().numel()
    expected = 1024 * (1 - (1 - 1 / 1024) ** pairs)  # of pairs thrown at random
    assert used > 0.9 * expected


def test_ngram_embeddings_are_sums():
    ngrams = NGrams(3, 50, 8)
    rows = ngrams.rows(torch.randint(0, 9, (2, 5)))
    assert rows[:, 0].max() < 50 <= rows[:, 1].min()
    expected = ngrams.table.weight[rows[:, 0]] + ngrams.table.weight[rows[:, 1]]
    torch.testing.assert_close(ngrams(rows.transpose(1, 2)), expected)
    with pytest.raises(ValueError, match="ngrams=1, buckets=50"):
        NGrams(1, 50, 8)


@pytest.mark.slow
def test_narrow_blocks_write_nothing_beside_their_memory():
    """In a process of its own, which dies of it."""
    code = """
import torch
from ssl_pipeline.models.layers.conv import ResidualBlock
x = torch.randn(8, 8, 112, 112).to(memory_format=torch.channels_last).requires_grad_()
for _ in range(3):
    ResidualBlock(2, 8, 8, "batch", stride=2)(x).sum().backward()
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("masked", [False, True])
def test_a_batch_in_pieces_trains_as_a_whole_one(masked, monkeypatch):
    """Sample by sample the same, with the same gradients; 5 samples in pieces of 2."""
    torch.manual_seed(0)
    trunk = Trunk(width=16, depth=2, heads=2).train()
    tokens = torch.randn(5, 3, 16)
    valid = torch.arange(3) < torch.randint(1, 4, (5, 1)) if masked else None
    found = []
    sizes, whole = [], trunk._whole
    monkeypatch.setattr(trunk, "_whole", lambda x, *rest: sizes.append(len(x)) or whole(x, *rest))
    for piece in (10**9, 2 * 3 * 16):
        monkeypatch.setattr("ssl_pipeline.models.layers.trunk.PIECE", piece)
        x = tokens.clone().requires_grad_()
        out = trunk(x, valid, last=2)
        out.square().sum().backward()
        found.append([out, x.grad, *(p.grad for p in trunk.blocks.parameters())])
        trunk.zero_grad()
    assert sizes == [5, 2, 2, 1]
    for one, pieced in zip(*found, strict=True):
        torch.testing.assert_close(pieced, one)


def test_convolutions_over_three_axes_have_the_gradient_of_32_bits():
    """In bfloat16 on a processor torch's own was wrong for this size."""
    conv = conv_nd(3)(64, 64, 3, padding=1)
    for seed in range(3):
        x = torch.randn(32, 64, 2, 8, 8, generator=torch.Generator().manual_seed(seed))
        gradients = []
        for enabled in (False, True):
            conv.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                conv(x).float().square().sum().backward()
            gradients.append(conv.weight.grad.clone())
        torch.testing.assert_close(*gradients, rtol=0.02, atol=0.02 * float(gradients[0].abs().max()))
