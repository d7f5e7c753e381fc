"""A blind restorer next to classical tools, on photographs of 8 bits: PSNR in dB, and seconds for an image.

python scripts/bench_restorer.py RUN --photos FOLDER   # pip install bm3d opencv-python-headless
python scripts/bench_restorer.py RUN --photos FOLDER --classical no

BM3D knows the noise, Telea where the holes are, bicubic the scale; the restorer knows nothing.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from PIL import Image

import ssl_pipeline as sslp
from ssl_pipeline.inference.files.any_size import AnySizeRestorer
from ssl_pipeline.inference.modules import UNKNOWN
from ssl_pipeline.report import markdown

Pixels = np.ndarray
"""(H, W, 3) uint8."""
GREY = 128
Spoil = Callable[[Pixels, np.random.Generator], Pixels]
Mend = Callable[[Pixels], Pixels]


def noise(sigma: float) -> Spoil:
    """Gaussian noise, clipped and rounded as a file holds it."""
    return lambda x, rng: _bytes(x + rng.normal(0, sigma, x.shape))


def coarse(factor: int) -> Spoil:
    """Means of squares, each pixel repeated."""

    def spoil(x: Pixels, _: np.random.Generator) -> Pixels:
        small = x.reshape(x.shape[0] // factor, factor, x.shape[1] // factor, factor, 3).mean((1, 3))
        return _bytes(small.repeat(factor, 0).repeat(factor, 1))

    return spoil


def holes(x: Pixels, rng: np.random.Generator) -> Pixels:
    """Half of the blocks of 8 x 8 pixels are grey."""
    keep = rng.permutation(np.arange(x.size // 192) % 2).reshape(x.shape[0] // 8, x.shape[1] // 8)
    return np.where(keep.repeat(8, 0).repeat(8, 1)[..., None] == 1, x, np.uint8(GREY))


def jpeg(quality: int) -> Spoil:
    """Through a file."""

    def spoil(x: Pixels, _: np.random.Generator) -> Pixels:
        file = BytesIO()
        Image.fromarray(x).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return spoil


def bm3d(sigma: float) -> Mend:
    """With sigma known."""

    def mend(x: Pixels) -> Pixels:
        from bm3d import bm3d_rgb

        return _bytes(bm3d_rgb(x / 255.0, sigma / 255) * 255)

    return mend


def bicubic(factor: int) -> Mend:
    """From every pixel of the coarse image."""
    return lambda x: np.asarray(Image.fromarray(x[::factor, ::factor]).resize(x.shape[1::-1], Image.Resampling.BICUBIC))


def telea(x: Pixels) -> Pixels:
    """With the holes known, which are what is grey in whole blocks."""
    import cv2

    blocks = (x.reshape(x.shape[0] // 8, 8, x.shape[1] // 8, 8, 3) == GREY).all((1, 3, 4))
    return cv2.inpaint(x, blocks.repeat(8, 0).repeat(8, 1).astype(np.uint8), 3, cv2.INPAINT_TELEA)


CASES: Mapping[str, tuple[Spoil, str, Mend | None]] = {
    "clean": (lambda x, _: x, "", None),
    **{f"noise {sigma}": (noise(sigma), "BM3D", bm3d(sigma)) for sigma in (15, 25, 50)},
    **{f"resolution 1/{by}": (coarse(by), "bicubic", bicubic(by)) for by in (2, 4)},
    "holes": (holes, "Telea", telea),
    **{f"JPEG {quality}": (jpeg(quality), "", None) for quality in (10, 20)},
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    parser.add_argument("--photos", type=Path, required=True, help="folder of images, sides in multiples of 8")
    parser.add_argument("--classical", choices=("yes", "no"), default="yes")
    asked = parser.parse_args()
    photos = photographs(asked.photos)
    restorers = {run.name: restorer(sslp.load(run)) for run in asked.runs}
    print(markdown.table_head("PSNR in dB", "corrupted", "classical", *restorers, "s/image"))
    for case, (spoil, name, classical) in CASES.items():
        spoilt = {photo: spoil(x, np.random.default_rng(number)) for number, (photo, x) in enumerate(photos.items())}
        cells = [f"{mean(psnr(x, photos[photo]) for photo, x in spoilt.items()):.2f}"]
        tool = classical if asked.classical == "yes" else None
        cells.append(f"{name} {score(tool, spoilt, photos)[0]:.2f}" if tool else name)
        ours = [score(mend, spoilt, photos) for mend in restorers.values()]
        print(markdown.row(case, *cells, *(f"{found:.2f}" for found, _ in ours), f"{ours[0][1]:.2f}"), flush=True)


def photographs(folder: Path) -> dict[str, Pixels]:
    """By name, in order."""
    return {file.stem: np.asarray(Image.open(file).convert("RGB")) for file in sorted(folder.iterdir())}


def restorer(model: sslp.Model) -> Mend:
    """A model that knows nothing of them, window by window."""

    any_size = AnySizeRestorer(model, UNKNOWN)

    def mend(x: Pixels) -> Pixels:
        found = any_size.restore(torch.from_numpy(x.transpose(2, 0, 1).copy()))
        return _bytes(found.numpy().transpose(1, 2, 0) * 255)

    return mend


def score(mend: Mend, spoilt: Mapping[str, Pixels], photos: Mapping[str, Pixels]) -> tuple[float, float]:
    """Mean PSNR over the photographs, and seconds for one."""
    begin = time.perf_counter()
    mended = {photo: mend(x) for photo, x in spoilt.items()}
    seconds = (time.perf_counter() - begin) / len(photos)
    return mean(psnr(x, photos[photo]) for photo, x in mended.items()), seconds


def psnr(x: Pixels, clean: Pixels) -> float:
    """Over all pixels and colours of one image; 99 where nothing differs."""
    error = np.square(x.astype(float) - clean).mean()
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


def _bytes(x: np.ndarray) -> Pixels:
    return x.round().clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
