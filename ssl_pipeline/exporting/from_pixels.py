"""An encoder that takes pixels of any size: it resizes, crops and scales them itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, interpolate

from ssl_pipeline.data import Codec
from ssl_pipeline.data.preprocessing.image import ImagePreprocessing
from ssl_pipeline.exporting.centre_square import centre_square
from ssl_pipeline.exporting.preprocessing import Records
from ssl_pipeline.inference.modules import Embedder, Part

LEAST_COSINE = 0.999
"""Of features of pixels to those of the codec, both less the mean of the latter."""


class FromPixels(nn.Module):
    """Features of images of one size, whatever that is.

    Args:
        part: takes samples ``x`` alone.
        how: they are made from files.
    """

    inputs = ("pixels",)

    def __init__(self, part: Part, how: ImagePreprocessing) -> None:
        super().__init__()
        self.part, self.how, self.outputs = part, replace(how, inside=True), part.outputs

    def forward(self, pixels: UInt8[Tensor, "B H W C"]) -> Tensor:
        """What the part gives of the squares in their centres."""
        (least, most), (low, high) = self.how.ends, self.how.range
        x = centre_square(pixels.permute(0, 3, 1, 2).float(), self.how.size, least, most)
        return self.part(x=(x - least) * ((high - low) / (most - least)) + low)

    def examples(self, batch: int, height: int, width: int, seed: int = 0) -> dict[str, Tensor]:
        """Random images: large spots under fine noise."""
        drawn, channels = torch.Generator().manual_seed(seed), self.how.channels
        spots = interpolate(torch.rand(batch, channels, 3, 4, generator=drawn), (height, width), mode="bilinear")
        noise = torch.rand(batch, channels, height, width, generator=drawn)
        pixels = (spots * 204 + noise * 51).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        return {"pixels": pixels.to(self.part.device)}

    def trials(self) -> list[dict[str, Tensor]]:
        """Images larger than samples and smaller ones."""
        size = self.how.size
        return [self.examples(5, 2 * size + 3, 3 * size), self.examples(2, size + 1, max(2, size // 2), seed=1)]


def from_pixels(part: Part, records: Records, format: str, length: str | None) -> FromPixels:
    """The part with its preprocessing inside.

    Raises:
        ValueError: it takes no images, or more than them; a format that holds no program.
    """
    how = records.get("")
    if isinstance(how, ImagePreprocessing) and (how.values or how.pages):
        raise ValueError("preprocess=true is of images of 8 bits a channel, and these hold others: leave it out")
    if not isinstance(how, ImagePreprocessing) or not isinstance(part, Embedder) or part.inputs != ("x",):
        raise ValueError(
            "preprocess=true is of encoders and teachers of images, which are read from files: leave it out, and take "
            "the preprocessing that the card of the export shows"
        )
    if format == "safetensors" or length is not None:
        raise ValueError(
            "preprocess=true makes a graph for pixels of any size, in torch_export and onnx: set one of these formats "
            "and leave out length"
        )
    return FromPixels(part, how)


def nearness(live: FromPixels, codec: Codec, trials: Sequence[Mapping[str, Tensor]]) -> float:
    """Least cosine of features of pixels to those of the same images as the codec reads them, centred.

    Raises:
        ValueError: it is too small.
    """
    found, wanted = [], []
    for pixels in (trial["pixels"] for trial in trials):
        images = [Image.fromarray(image.squeeze(-1).cpu().numpy()) for image in pixels]
        x = codec.encode(images)[0].to(pixels.device)
        with torch.no_grad():
            found.append(live(pixels).flatten(1))
            wanted.append(live.part(x=x).flatten(1))
    mean = torch.cat(wanted).mean(0)
    cosine = float(cosine_similarity(torch.cat(found) - mean, torch.cat(wanted) - mean).min())
    if not cosine >= LEAST_COSINE:
        raise ValueError(
            f"preprocess=true gives features with a cosine of {cosine:.4f} to those of embed, expected at least "
            f"{LEAST_COSINE}: leave it out, and take the preprocessing that the card shows"
        )
    return cosine
