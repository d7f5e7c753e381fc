"""Texts as bags of their short strings."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample

from ssl_pipeline.models.encoders import NGramBag
from ssl_pipeline.models.layers.ngrams import ngram_buckets
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec

TEXT = GRIDS["text"]


def test_a_bag_weighs_strings_by_the_logarithm_of_their_count():
    grid = GridSpec.of(("symbols", 5), vocab=4)
    encoder = NGramBag(width=8, ngrams=2, buckets=1000).bind(grid, ("mask",)).eval()
    text = clean_view(grid, torch.tensor([[1, 2, 1, 2, 3]]))
    text = text._replace(valid=torch.tensor([[True, True, True, True, False]]))
    pairs = encoder.vocab + ngram_buckets(text.x, 2, 1000)[0, 0]  # of nothing and 1, then 12, 21, 12, 23
    counts = {1: 2, 2: 2, int(pairs[0]): 1, int(pairs[1]): 2, int(pairs[2]): 1}
    rows, weights = torch.tensor([*counts]), torch.tensor([*counts.values()]).float().log1p()
    mean = (encoder.table.weight[rows] * (weights / weights.norm()).unsqueeze(1)).sum(0)
    with torch.no_grad():
        torch.testing.assert_close(encoder({"mask": text})["mask"].pooled[0], mean * 8**0.5 + encoder.view.table[0])


def test_a_bag_does_not_know_the_order_of_symbols():
    encoder, text = NGramBag(width=8, ngrams=1).bind(TEXT, ("mask",)).eval(), sample(TEXT)
    with torch.no_grad():
        one, two = (encoder({"mask": view})["mask"].pooled for view in (text, text._replace(x=text.x.flip(1))))
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize("grid", ["wave", "codes"])
def test_a_bag_needs_a_line_of_symbols(grid):
    with pytest.raises(ValueError, match=r"^encoder=ngram_bag counts strings of symbols along one axis.*take encoder="):
        NGramBag().bind(GRIDS[grid], ("echo",))
