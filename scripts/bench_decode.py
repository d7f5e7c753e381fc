"""What decoding once is worth: ``OMP_NUM_THREADS=1 taskset -c 0 python scripts/bench_decode.py``.

Makes folders of images and of recordings, and reads each in three ways: every sample decoded whenever it is asked for,
as a data set of single files in a DataLoader would; all decoded once into a mapped file, as the first start of a run
does; and shuffled batches from that file, as training does. The second start of a run finds the file. Next to them
stands another decoder of images, that of torchvision.io.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from math import isnan, nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import DataLoader
from torchvision.io import ImageReadMode, decode_image

from ssl_pipeline.data import Data, audio_folder, folder, train_loader
from ssl_pipeline.report import markdown
from ssl_pipeline.structures.batch import Batch


class Row(NamedTuple):
    """One kind of file.

    Args:
        make: fills a folder with so many files.
        load: the folder as a data set, its cache in another one.
        other: another decoder of one file.
    """

    make: Callable[[Path, int], None]
    load: Callable[[Path, Path], Data]
    other: Callable[[Path], Tensor] | None = None


def photos(place: Path, count: int, width: int, height: int, ending: str) -> None:
    """Clouds of three sizes and some grain, which a JPEG takes about as many bytes for as for photographs."""
    rng = np.random.default_rng(0)

    def clouds(across: int) -> np.ndarray:
        small = rng.integers(0, 256, (across * height // width, across, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)

    def photo() -> np.ndarray:
        grain = rng.normal(0, 3, (height, width, 1))
        return (clouds(8) / 2 + clouds(32) / 3 + clouds(128) / 6 + grain).clip(0, 255).astype(np.uint8)

    several = [photo() for _ in range(min(count, 8))]
    for number in range(count):
        moved = np.roll(several[number % len(several)], 16 * number, axis=1)
        Image.fromarray(moved).save(place / f"{number:05}.{ending}", quality=90)


def notes(place: Path, count: int, rate: int, ending: str) -> None:
    """A second of a few partial tones and some noise."""
    rng = np.random.default_rng(0)
    seconds = np.arange(rate) / rate
    for number in range(count):
        tones = sum(np.sin(2 * np.pi * hertz * seconds) for hertz in rng.uniform(100, 4000, 5)) / 10
        soundfile.write(place / f"{number:05}.{ending}", tones + rng.normal(0, 0.01, rate), rate)


def images(root: Path, cache: Path, size: int) -> Data:
    """As ``data=folder``."""
    return folder(str(root), size=size, split={"holdout": 0}, cache={"in_memory": False, "folder": str(cache)})


def sounds(root: Path, cache: Path) -> Data:
    """As ``data=audio_folder data.rate=16000``."""
    return audio_folder(str(root), rate=16_000, split={"holdout": 0}, cache={"in_memory": False, "folder": str(cache)})


def by_torchvision(file: Path, size: int) -> Tensor:
    """The square in the middle, decoded whole and then resized as the project does."""
    x = decode_image(str(file), ImageReadMode.RGB)
    side = min(x.shape[1:])
    top, left = ((n - side) // 2 for n in x.shape[1:])
    square = x[None, :, top : top + side, left : left + side]
    return interpolate(square, size=(size, size), mode="bicubic", antialias=True)


def rows(size: int) -> dict[str, Row]:
    """All kinds of files."""
    ways = partial(images, size=size), partial(by_torchvision, size=size)
    return {
        "images, JPEG 500x375": Row(partial(photos, width=500, height=375, ending="jpg"), *ways),
        "images, JPEG 1600x1200": Row(partial(photos, width=1600, height=1200, ending="jpg"), *ways),
        "images, PNG 500x375": Row(partial(photos, width=500, height=375, ending="png"), *ways),
        "sounds, WAV 16 kHz": Row(partial(notes, rate=16_000, ending="wav"), sounds),
        "sounds, FLAC 44.1 to 16 kHz": Row(partial(notes, rate=44_100, ending="flac"), sounds),
    }


class Round(NamedTuple):
    """Samples per second, and seconds."""

    other: float
    each: float
    first: float
    mapped: float
    first_start: float
    second_start: float


def measured(row: Row, root: Path, batch: int) -> Round:
    """One round over a folder."""
    files = sorted(root.iterdir())
    with tempfile.TemporaryDirectory() as cache:
        data, first = _timed(lambda: row.load(root, Path(cache)))
        data, second = _timed(lambda: row.load(root, Path(cache)))
        count, size = len(data.train), min(batch, len(data.train))
        loader = train_loader(data.train, batch_size=size, seed=0)
        steps = 10 * max(1, count // size)
        read, mapped = _timed(lambda: sum(len(one.x) for one in islice(_again(loader), steps)))
        _, each = _timed(lambda: [data.codec.encode([str(file)]) for file in files])
    other = nan
    if (decode := row.other) is not None:
        other = len(files) / _timed(lambda: [decode(file) for file in files])[1]
    return Round(other, len(files) / each, count / first, read / mapped, first, second)


def _again(loader: DataLoader) -> Iterator[Batch]:
    while True:
        yield from loader


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def line(name: str, rounds: list[Round]) -> str:
    """A row of the table."""
    *rates, start, again = (statistics.median(some) for some in zip(*rounds, strict=True))
    cells = ["" if isnan(rate) else f"{rate:,.0f}" for rate in rates]
    return markdown.row(name, *cells, f"{start:.2f}", f"{again:.3f}")


def main() -> None:
    """Measure all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400, help="files of each kind")
    parser.add_argument("--sounds", type=int, default=1000, help="files of each kind")
    parser.add_argument("--size", type=int, default=224, help="pixels that images are resized to")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3, help="of which medians are taken, after one that warms up")
    asked = parser.parse_args()
    columns = "torchvision.io", "each read decodes", "first pass", "mapped", "first start, s", "second start, s"
    print(markdown.table_head("samples/s", *columns), flush=True)
    for name, row in rows(asked.size).items():
        with tempfile.TemporaryDirectory() as root:
            row.make(Path(root), asked.images if name.startswith("images") else asked.sounds)
            _, *rounds = (measured(row, Path(root), asked.batch) for _ in range(asked.rounds + 1))
        print(line(name, rounds), flush=True)


if __name__ == "__main__":
    main()
