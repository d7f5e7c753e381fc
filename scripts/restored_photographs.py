"""Ten photographs, each under a case of bench_restorer.py: as it came, mended by a classical tool and by a restorer.

python scripts/restored_photographs.py RUN --photos FOLDER --picture OUT.jpg   # pip install bm3d opencv-python-headless

Shown are the middle 128 x 128 pixels, twice as large. PSNR is that of the whole photograph. A classical tool that is
not installed is left out, and so are all with --classical no. As .jpg the sheet is about half a megabyte.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from bench_restorer import CASES, Mend, Pixels, photographs, psnr, restorer
from matplotlib.figure import Figure

import ssl_pipeline as sslp

ROWS, SIDE, TWICE = 10, 128, 256
GAP, HEAD, DPI = 6, 20, 100
"""Pixels between pictures and above each, and in an inch."""
COLUMNS = 4


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--photos", type=Path, required=True, help="folder of images, sides in multiples of 8")
    parser.add_argument("--picture", type=Path, required=True, help="file of the sheet")
    parser.add_argument("--classical", choices=("yes", "no"), default="yes")
    asked = parser.parse_args()
    photos = dict(islice(photographs(asked.photos).items(), ROWS))
    shown = sheet(photos, restorer(sslp.load(asked.run)), asked.classical == "yes")
    quality = {"quality": 85} if asked.picture.suffix in (".jpg", ".jpeg") else {}
    shown.savefig(asked.picture, dpi=DPI, pil_kwargs=quality)


def sheet(photos: Mapping[str, Pixels], ours: Mend, classical: bool = True) -> Figure:
    """A row a photograph, each of another case as long as there are such; the clean one is the last of them."""
    cases = cycle([*(case for case in CASES if case != "clean"), "clean"])
    wide, high = COLUMNS * (TWICE + GAP) + GAP, len(photos) * (TWICE + HEAD) + GAP
    figure = Figure(figsize=(wide / DPI, high / DPI))
    for row, ((photo, clean), case) in enumerate(zip(photos.items(), cases, strict=False)):
        spoil, name, tool = CASES[case]
        x = spoil(clean, np.random.default_rng(row))
        found = [(case, x), (name, mended(tool, x) if classical else None), ("restored", ours(x)), (photo, clean)]
        for column, (title, picture) in enumerate(found):
            if picture is not None:
                left, bottom = GAP + column * (TWICE + GAP), high - (row + 1) * (TWICE + HEAD)
                axis = figure.add_axes((left / wide, bottom / high, TWICE / wide, TWICE / high))
                axis.set_axis_off()
                axis.imshow(middle(picture), interpolation="nearest")
                score = "" if np.array_equal(picture, clean) else f", {psnr(picture, clean):.1f} dB"
                axis.set_title(title + score, fontsize=9, pad=3)
    return figure


def mended(tool: Mend | None, x: Pixels) -> Pixels | None:
    """By a classical tool; None where there is none, or it is not installed."""
    try:
        return None if tool is None else tool(x)
    except ModuleNotFoundError:
        return None


def middle(x: Pixels) -> Pixels:
    """At most 128 x 128 pixels."""
    top, left = (max(0, n - SIDE) // 2 for n in x.shape[:2])
    return x[top : top + SIDE, left : left + SIDE]


if __name__ == "__main__":
    main()
