"""A picture of files before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssl_pipeline.report.pictures import figure


def before_and_after(shown: list[tuple[str, np.ndarray, np.ndarray]], file: Path, sound: bool) -> None:
    """Two pictures a row: images, or the spectrograms of sounds.

    Args:
        shown: name, before and after of each.
        file: is written.
        sound: whether they are waveforms, or else images or frames (H, W, C) of 8 bits.

    Raises:
        ModuleNotFoundError: matplotlib is needed and not installed.
    """
    drawing = figure(8, 1 + 2 * len(shown), file.name)
    axes = drawing.subplots(len(shown), 2, squeeze=False)
    for (name, *pair), row in zip(shown, axes, strict=True):
        for what, one, axis in zip(("before", "after"), pair, row, strict=True):
            if sound:
                one = np.pad(one, (0, max(0, 512 - len(one)))) + 1e-9
                with np.errstate(divide="ignore"):  # silence
                    axis.specgram(one, NFFT=256, noverlap=192, scale="dB", vmin=-120, vmax=-20)
            else:
                axis.imshow(one.squeeze(), cmap="gray", vmin=0, vmax=255)
            axis.set_title(f"{name}, {what}", fontsize=8)
            axis.set_axis_off()
    drawing.savefig(file, dpi=100)
