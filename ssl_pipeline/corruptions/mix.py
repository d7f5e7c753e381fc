"""Mix: another sample of the batch sounds through."""

from __future__ import annotations

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._snr import added_at_snr
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, draw
from ssl_pipeline.structures.batch import View


@register("corruption", "mix")
class Mix(Corruption):
    """Each sample gets another one added, the one a random number of places further on in the batch.

    Signals add, logarithms add as power (BYOL-A, https://arxiv.org/abs/2103.06695), and of other grids the other
    sample's distance to its mean adds, so that the brightness stays. A batch of one sample stays as it is.

    Args:
        snr_db: power of the sample over that of the added one in decibels, a number or an interval drawn from per
            sample; padding does not count.

    Raises:
        ValueError: a discrete grid; ``snr_db`` outside its bounds.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("time", 2), channels=1, range=(-1.0, 1.0), signal=True)
    >>> x = torch.tensor([[[0.5, 0.5]], [[-0.1, 0.1]]])
    >>> Mix(snr_db=0).bind(grid)(clean_view(grid, x), torch.Generator()).x
    tensor([[[0.0000, 1.0000]],
    <BLANKLINE>
            [[0.0000, 0.2000]]])
    """

    corruption_params = ("snr_db",)

    def __init__(self, *, snr_db: Range = (0.0, 15.0)) -> None:
        self.snr_db = interval("snr_db", snr_db, -100.0, 100.0)

    def setup(self) -> None:
        """A continuous grid is needed."""
        if self.grid.discrete:
            raise ValueError("mix adds values, got a discrete grid, whose symbols do not add up: use noise or infill")

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x, batch = view.x, view.x.shape[0]
        snr_db = draw(self.snr_db, batch, generator)
        params = {**view.params, "snr_db": snr_db}
        if batch == 1:
            return view._replace(params=params)
        shift = torch.randint(1, batch, (1,), generator=generator, device=x.device)
        other = (torch.arange(batch, device=x.device) + shift) % batch
        other_valid = None if view.valid is None else view.valid[other]
        return view._replace(x=added_at_snr(x, x[other], snr_db, self.grid, view.valid, other_valid), params=params)
