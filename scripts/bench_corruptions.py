"""What corruptions of pictures cost: ``OMP_NUM_THREADS=1 taskset -c 0 python scripts/bench_corruptions.py``.

Each family with its defaults, samples a second of a batch, next to what others do to one picture after the other, as
a DataLoader does: torchvision's functions on tensors, or Pillow on images that are open already. Where each corruption
draws its strength per sample, the others have one in the middle of it. Rounds go over the rows by turns; what is said
is the median.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torchvision.transforms.v2.functional as tv
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from ssl_pipeline.config.registry import lookup
from ssl_pipeline.report import markdown
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec

FAMILIES = (
    *("noise", "shot", "sensor", "speckle", "blur", "downscale", "jpeg"),
    *("exposure", "gamma", "contrast", "low_light", "colour_cast", "haze", "vignette"),
    *("scratches", "strokes", "overlay", "blocks", "turn"),
)


def saved_jpeg(image: Image.Image) -> Image.Image:
    with io.BytesIO() as file:
        image.save(file, "jpeg", quality=15)
        found = Image.open(file)
        found.load()
        return found


def resized(image: Image.Image) -> Image.Image:
    small = image.resize((26, 26), Image.Resampling.BICUBIC)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def lined(width: int, lines: int) -> Callable[[Image.Image], Image.Image]:
    def draw(image: Image.Image) -> Image.Image:
        found = image.copy()
        brush = ImageDraw.Draw(found)
        for ends in np.random.randint(0, 64, (lines, 4)).tolist():
            brush.line(ends, fill=(0, 0, 0), width=width)
        return found

    return draw


def written(image: Image.Image) -> Image.Image:
    found = image.copy()
    ImageDraw.Draw(found).multiline_text((0, 0), "some words\nof text\nover it", fill=(0, 0, 0))
    return found


OTHERS: dict[str, tuple[str, Callable]] = {
    "noise": ("torchvision", lambda x: tv.gaussian_noise(x, sigma=0.2)),
    "shot": ("torch", lambda x: torch.poisson(12 * x) / 12),
    "blur": ("torchvision", lambda x: tv.gaussian_blur(x, [9, 9], [1.0, 1.0])),
    "downscale": ("Pillow", resized),
    "jpeg": ("Pillow", saved_jpeg),
    "exposure": ("torchvision", lambda x: tv.adjust_brightness(x, 1.6)),
    "gamma": ("torchvision", lambda x: tv.adjust_gamma(x, 1.8)),
    "contrast": ("torchvision", lambda x: tv.adjust_contrast(x, 0.2)),
    "scratches": ("Pillow", lined(1, 7)),
    "strokes": ("Pillow", lined(5, 3)),
    "overlay": ("Pillow", written),
    "blocks": ("torchvision", lambda x: tv.erase(x, 10, 10, 16, 16, torch.zeros(3, 1, 1))),
    "turn": ("torchvision", lambda x: tv.rotate(x, 90)),
}
BLUR = ("Pillow, Gaussian", lambda image: image.filter(ImageFilter.GaussianBlur(1.0)))


def timed(act: Callable[[], object], seconds: float) -> float:
    """Seconds a call, over calls that take about so long."""
    act()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        act()
        calls += 1
    return (time.perf_counter() - start) / calls


def rows(size: int, batch: int) -> dict[str, tuple[str, dict[str, Callable[[], object]]]]:
    """Of each family the name of the other and both calls."""
    grid = GridSpec.of(("y", size), ("x", size), channels=3)
    x = torch.rand(batch, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    x = torch.nn.functional.interpolate(x, size=(size, size), mode="bicubic").clamp_(0, 1)
    clean, generator = clean_view(grid, x), torch.Generator().manual_seed(0)
    pictures: list[Tensor] = list(x)
    images = [Image.fromarray((255 * one).byte().permute(1, 2, 0).numpy()) for one in x]
    found = {}
    for name in FAMILIES:
        corruption = lookup("corruption", name).target().bind(grid)
        calls: dict[str, Callable[[], object]] = {"ours": lambda part=corruption: part(clean, generator)}
        other, act = OTHERS.get(name, ("", None))
        if act is not None:
            inputs = images if other == "Pillow" else pictures
            calls["other"] = lambda act=act, inputs=inputs: [act(one) for one in inputs]
        found[name] = (other, calls)
    blur = {"ours": found["blur"][1]["ours"], "other": lambda: [BLUR[1](one) for one in images]}
    return found | {"blur, again": (BLUR[0], blur)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="cells along y and x (default: 64)")
    parser.add_argument("--batch", type=int, default=64, help="samples (default: 64)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each row is timed (default: 3)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a timing (default: 0.5)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    table = rows(asked.size, asked.batch)
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(asked.rounds):
        for name, (_, calls) in table.items():
            for who, act in calls.items():
                times.setdefault((name, who), []).append(timed(act, asked.seconds))
    print(markdown.table_head("family", "samples/s", "other", "its samples/s"))
    for name, (other, calls) in table.items():
        speed = {who: f"{asked.batch / statistics.median(times[name, who]):,.0f}" for who in calls}
        print(markdown.row(name, speed["ours"], other, speed.get("other", "")))


if __name__ == "__main__":
    main()
