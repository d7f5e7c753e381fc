"""Marks: something lies over the picture."""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.corruptions._pictures import PictureCorruption, over_frames


class MarkCorruption(PictureCorruption):
    """Covers parts of pictures, of a video the same in all frames."""

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        cover = over_frames(self.cover(x, options, generator), x)
        return torch.lerp(x, self.shade(x, options, generator), cover)

    @abstractmethod
    def cover(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B H W"]:
        """How much of each place is covered, 0 to 1."""

    def shade(self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        """What covers it: of each sample black or white, where this is not overridden."""
        return torch.randint(2, (len(x), *[1] * (x.ndim - 1)), generator=generator, device=x.device).to(x.dtype)


class CountedMarks(MarkCorruption):
    """Marks whose number ``count`` is drawn per sample."""

    corruption_params = ("count",)

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"count": super().drawn(batch, generator)["count"].round()}

    def luck(self, x: Tensor, numbers: int, generator: torch.Generator) -> Float[Tensor, "N k B"]:
        """Uniform numbers for as many marks as a sample can have."""
        most = round(self.greatest("count"))
        return torch.rand((len(x), most, numbers), generator=generator, device=x.device).movedim(0, 2)


def rows_and_columns(x: Float[Tensor, "B C *grid"]) -> tuple[Float[Tensor, "1 H 1"], Float[Tensor, "1 1 W"]]:
    """The numbers of the cells along the last two axes."""
    rows, columns = (torch.arange(float(size), device=x.device) for size in x.shape[-2:])
    return rows.view(1, -1, 1), columns.view(1, 1, -1)
