"""Probes of clean images, asked about corrupted ones of stated strength: kNN-20 / linear of runs beside raw pixels.

python scripts/corrupted_table.py RUN RUN ...   # runs on one data set of images

Protocol P1.1; of the test set 1,000 images at most are corrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import ssl_pipeline as sslp
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.saved import read_saved
from ssl_pipeline.corruptions import Blur, Contrast, Corruption, Downscale, Jpeg, Mask, Noise, Reversal, Turn
from ssl_pipeline.evaluation import P1
from ssl_pipeline.evaluation.corrupted import P2
from ssl_pipeline.evaluation.frozen_features import embedder
from ssl_pipeline.report import markdown
from ssl_pipeline.structures.grid import GridSpec

FORMS: Mapping[str, Corruption] = {
    "noise σ .2": Noise(sigma=0.2),
    "noise σ .4": Noise(sigma=0.4),
    "holes .3": Mask(ratio=0.3),
    "holes .6": Mask(ratio=0.6),
    "½ resolution": Downscale(factor=2),
    "¼ resolution": Downscale(factor=4),
    "blur σ 1.5": Blur(kinds=["gaussian"], sigma=1.5),
    "JPEG 5": Jpeg(quality=5),
    "contrast .3": Contrast(contrast=0.3),
    "mirrored": Reversal(axes=["x"]),
    "upside down": Turn(degrees=[180]),
}


@dataclass(frozen=True)
class Stated(P2):
    """These forms in place of families at severities."""

    samples: int = 1000

    def families_of(self, grid: GridSpec) -> list[str]:
        """Names of the forms."""
        return [*FORMS]

    def corruptions(self, grid: GridSpec) -> dict[str, Corruption]:
        """By name."""
        return {name: corruption.bind(grid) for name, corruption in FORMS.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs")
    asked = parser.parse_args()
    data = build_part("data", read_saved(asked.runs[0]).config["data"])
    protocol = P1(few_shot=0, backgrounds=False, corrupted=Stated())
    print(markdown.table_head("kNN / linear", "clean", *FORMS, f"mean of {len(FORMS)}"))
    _row("raw pixels", protocol.raw(data))
    for run in asked.runs:
        _row(run.name, protocol.score(protocol.features(embedder(sslp.load(run).graph), data)))


def _row(name: str, scores: Mapping[str, float]) -> None:
    cells = [(scores["knn"], scores["linear"])]
    cells += [(scores[f"corrupted/knn/{form}"], scores[f"corrupted/linear/{form}"]) for form in FORMS]
    means = tuple(mean(pair[i] for pair in cells[1:]) for i in (0, 1))
    shown = ["{:.0f} / {:.0f}".format(*pair) for pair in cells]
    print(markdown.row(name, *shown, "{:.1f} / {:.1f}".format(*means)), flush=True)


if __name__ == "__main__":
    main()
