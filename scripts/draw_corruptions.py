"""A sheet of what corruptions do to a picture: ``python scripts/draw_corruptions.py docs/images/corruptions.jpg``.

Each corruption that pictures are met in, at severities 1, 3 and 5, on a scene that is drawn here or on a file of yours
(``--image FILE``), as files hold it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ssl_pipeline.data import Pixels
from ssl_pipeline.evaluation.corrupted import P2
from ssl_pipeline.structures.batch import as_float, clean_view, stored
from ssl_pipeline.structures.random import generator

SIZE, STRIPS = 96, 4


def scene(size: int = SIZE) -> Tensor:
    """A landscape of sky, sun, hills, a house and a road as bytes (1, 3, size, size)."""
    y, x = torch.meshgrid(*[(torch.arange(size) + 0.5) / size] * 2, indexing="ij")

    def painted(picture: Tensor, where: Tensor, colour: tuple[float, float, float]) -> Tensor:
        return torch.where(where, torch.tensor(colour).view(3, 1, 1), picture)

    picture = torch.stack([0.35 + 0.4 * y, 0.55 + 0.35 * y, 0.9 - 0.1 * y])
    picture = painted(picture, (x - 0.78).square() + (y - 0.2).square() < 0.008, (1.0, 0.9, 0.4))
    picture = painted(picture, y > 0.55 + 0.08 * (7 * x).sin(), (0.25, 0.5, 0.25))
    picture = painted(picture, y > 0.72 + 0.05 * (5 * x + 2).cos(), (0.45, 0.65, 0.25))
    picture = painted(picture, (x - 0.5 - 0.6 * (y - 0.75)).abs() < 0.25 * (y - 0.7), (0.7, 0.65, 0.55))
    picture = painted(picture, (x > 0.14) & (x < 0.4) & (y > 0.5) & (y < 0.75), (0.8, 0.3, 0.25))
    picture = painted(picture, (y > 0.36) & (y < 0.5) & ((x - 0.27).abs() < 1.2 * (y - 0.36)), (0.35, 0.2, 0.2))
    for left in (0.18, 0.3):
        picture = painted(picture, (x > left) & (x < left + 0.06) & (y > 0.56) & (y < 0.64), (0.95, 0.95, 0.7))
    return (picture * 255).round().to(torch.uint8).unsqueeze(0)


def sheet(x: Tensor, codec: Pixels, seed: int) -> Figure:
    """Strips of three severities, several in a row; what has none is shown three times."""
    clean = clean_view(codec.grid, as_float(x, codec.grid))
    protocol = P2()
    strips = {"clean": [clean.x] * 3}
    for name, corruption in protocol.corruptions(codec.grid).items():
        family, _, severity = name.partition("/")
        for number in range(1 if severity else 3):
            view = corruption(clean, generator("cpu", seed, name, number))
            strips.setdefault(family, []).append(stored(view.x, codec.grid))
    lines = -(-len(strips) // STRIPS)
    figure = Figure(figsize=(3.2 * STRIPS, 1.2 * lines), layout="constrained")
    for axis in figure.subplots(lines, STRIPS).flat:
        axis.axis("off")
    for axis, (name, parts) in zip(figure.axes, strips.items(), strict=False):
        axis.imshow(torch.cat([part[0] for part in parts], dim=2).permute(1, 2, 0).numpy(), interpolation="nearest")
        axis.set_title(name, fontsize=8)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--image", type=Path, help="in place of the scene")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    codec = Pixels(size=SIZE, channels=3)
    x = scene() if args.image is None else codec.encode([args.image])[0]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(x, codec, args.seed).savefig(args.out, dpi=90, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
