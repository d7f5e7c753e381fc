"""Mechanism M7: change of pixels tells objects apart, and the same object at another time is a positive.

python scripts/probe_motion.py segments                      # ARI of held-out moving digits; two minutes
python scripts/probe_motion.py positives --seeds 0,1,2 [OVERRIDES of experiment=objects]   # six runs
python scripts/probe_motion.py restored RUN                  # PSNR of a run of video_dag or video_mae, and of a line
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from torch import Tensor

import ssl_pipeline as sslp
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Data, MotionSegments, Subset, moving_digits, objects
from ssl_pipeline.data.motion.detection import foreground
from ssl_pipeline.data.motion.regions import components
from ssl_pipeline.data.synthetic.moving_digits import render_clips
from ssl_pipeline.data.wrappers.objects import CROPS
from ssl_pipeline.evaluation import P1
from ssl_pipeline.evaluation.frozen_features import embedder
from ssl_pipeline.evaluation.restoration import decibels, restoration
from ssl_pipeline.evaluation.segmentation import rand_index
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.report import markdown
from ssl_pipeline.training import run

SETTINGS = {"32x32, 8 frames": {"size": 32, "frames": 8}, "48x48, 16 frames": {"size": 48, "frames": 16}}


def otsu(video: np.ndarray) -> float:
    """The brightness that parts a video's cells into the two most different halves.

    >>> 0.1 < otsu(np.array([0.1, 0.1, 0.2, 0.9, 0.9])) < 0.9
    True
    """
    count, edges = np.histogram(video, 256)
    share, middle = count / count.sum(), (edges[1:] + edges[:-1]) / 2
    below, moment = share.cumsum(), (share * middle).cumsum()
    between = (moment[-1] * below - moment) ** 2 / np.maximum(below * (1 - below), 1e-9)
    return float(middle[between.argmax()])


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "motion against the background, tracked": MotionSegments(around=None),
    "the same, not tracked": lambda video: components(foreground(video, around=None)),
    "frame differences, not tracked": lambda video: components(foreground(video, "moving", around=None)),
    "frame differences, tracked": MotionSegments(camera="moving", around=None),
    "brightness above Otsu's threshold, not tracked": lambda video: components(video > otsu(video)),
}


def segments(clips: int = 200, noise: float = 0.02) -> dict[str, dict[str, tuple[float, float]]]:
    """ARI over the cells of true objects and over all cells, by setting and way."""
    found = {}
    for setting, options in SETTINGS.items():
        made = render_clips(clips, digits=(2, 3), held_out=True, noise=noise, **options)
        videos, true = made.x[:, 0].numpy() / 255, made.objects.numpy()
        found[setting] = {way: tuple(rand_index(true, map(see, videos))) for way, see in WAYS.items()}
    return found


def single_objects(what: str, size: int) -> Data:
    """Images of clips of one digit each, on which every encoder is probed; what is no digit is left out."""
    of = moving_digits(clips=800, frames=16, size=32, per_source=1, digits=1, maps=True, seed=1)
    data = objects(of, MotionSegments(around=None), what=what, size=size)

    def known(part) -> Subset:
        return Subset(part, (part.labels < 10).nonzero().flatten())

    return Data(data.grid, known(data.train), known(data.test), data.classes, data.name, data.codec)


def positives(seeds: list[int], overrides: list[str]) -> dict[str, dict[str, list[float]]]:
    """Probes of encoders by what their positives were, each on the same images; a number a seed."""
    root = Path("outputs/probe_motion") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    quiet = ["probe=none", "report.page=false", "trainer.enable_progress_bar=false"]
    protocol = P1(few_shot=0)
    rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    size = compose(["experiment=objects", *overrides])["data"]["size"]
    probes = {kind: single_objects(kind, size) for kind in CROPS}

    def note(row: str, kind: str, scores: dict[str, float]) -> None:
        for key in ("knn", "linear"):
            rows[row][f"{key} on {kind}"].append(scores[key])

    for kind, data in probes.items():
        note("raw pixels", kind, protocol.raw(data))
    for seed in seeds:
        for what in CROPS:
            config = compose(["experiment=objects", *quiet, *overrides, f"data.what={what}", f"seed={seed}"])
            run(config, str(root / f"{what}-{seed}"))
            embed = embedder(sslp.load(root / f"{what}-{seed}").graph)
            for kind, data in probes.items():
                note(f"positives: {what}", kind, protocol.score(protocol.features(embed, data)))
    return rows


def restored(folder: Path, samples: int = 500) -> dict[str, dict[str, float]]:
    """PSNR (dB) of each view of a run on held-out clips, as it came in, as restored, and of a line between frames."""
    model = sslp.load(folder)
    data: Data = build_part("data", model.config["data"])
    assert data.test is not None
    scores = restoration(model.graph.eval(), data.test, samples)
    rows = {}
    for view in views_leading_to(model.graph):
        rows[view] = {"came in": scores[f"psnr_input/{view}"], "restored": scores[f"psnr/{view}"]}
        factor = model.config["corruption"][view].get("factor")
        if factor is not None:
            x = data.test[range(min(samples, len(data.test)))].x.float() / 255
            rows[view]["line between frames"] = decibels(1.0, float((between(x, factor) - x).square().mean()))
    return rows


def between(x: Tensor, factor: int) -> Tensor:
    """Clips (B, C, T, H, W) of which every ``factor``-th frame is known, the others on a line; the last one stays."""
    time = torch.arange(x.shape[2])
    before = time // factor * factor
    after = (before + factor).clamp(max=int(before[-1]))
    weight = ((time - before) / factor).view(-1, 1, 1)
    return torch.lerp(x[:, :, before], x[:, :, after], weight)


def main() -> None:
    """Measure one of the three and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["segments", "positives", "restored"])
    parser.add_argument("run", type=Path, nargs="?", help="of restored: folder of the run")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--clips", type=int, default=200, help="of segments: held-out ones")
    chosen, overrides = parser.parse_known_args()
    if chosen.what == "segments":
        for setting, rows in segments(chosen.clips).items():
            print(markdown.table_head(setting, "ARI of objects' cells", "of all cells"))
            for way, pair in rows.items():
                print(markdown.row(way, *(f"{score:.2f}" for score in pair)))
        return
    if chosen.what == "restored":
        if chosen.run is None:
            parser.error("name the folder of a run")
        for view, row in restored(chosen.run).items():
            print(f"{view:<12}", "  ".join(f"{name} {score:.2f} dB" for name, score in row.items()))
        return
    overrides += [chosen.run.as_posix()] if chosen.run else []
    table = positives([int(seed) for seed in chosen.seeds.split(",")], overrides)
    columns = list(next(iter(table.values())))
    print(markdown.table_head("", *columns))
    for row, scores in table.items():
        cells = (f"{mean(s):.1f} ({min(s):.1f} to {max(s):.1f})" for s in scores.values())
        print(markdown.row(row, *cells))


if __name__ == "__main__":
    main()
