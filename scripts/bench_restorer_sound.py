"""A blind restorer of waveforms beside classical tools, on the test samples of its run: SI-SDR and LSD in dB.

python scripts/bench_restorer_sound.py RUN   # pip install noisereduce

Linear prediction is told where the gaps are; the restorer is told nothing. Of several tools the best is shown. Samples
that a corruption leaves as they are, such as those that lose no packet, do not count.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.linalg import solve_toeplitz
from scipy.signal import wiener
from torch import Tensor

import ssl_pipeline as sslp
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.saved import read_saved
from ssl_pipeline.corruptions import BandLimit, Clipping, Corruption, Noise, PacketLoss, Reverb, Reversal
from ssl_pipeline.evaluation.fidelity import fidelity
from ssl_pipeline.evaluation.frozen_features import spread_batches
from ssl_pipeline.report import markdown
from ssl_pipeline.structures.batch import as_float, clean_view, stored

ORDER, CONTEXT, SHORTEST = 32, 400, 20
"""Of linear prediction: numbers, samples that they are found from, and the shortest gap."""
Wave = np.ndarray
"""(T,)"""
Mend = Callable[[Wave, int], Wave]
"""With the samples in a second."""


def gating(x: Wave, rate: int) -> Wave:
    """Spectral gating, whose threshold is that of the sample itself."""
    from noisereduce import reduce_noise

    return reduce_noise(x, rate)


def predicted(x: Wave, rate: int) -> Wave:
    """Gaps continue what is before them, and fade into what comes before what is behind them."""
    y, lost = x.copy(), x == 0
    edges = np.flatnonzero(np.diff(np.r_[False, lost, False].astype(int)))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start >= SHORTEST:
            fade = np.linspace(1, 0, end - start)
            ahead = _continued(y[:start], end - start)
            back = _continued(x[end:][::-1], end - start)[::-1]
            y[start:end] = fade * ahead + (1 - fade) * back
    return y


def _continued(x: Wave, count: int) -> Wave:
    """So many samples more, by the autocorrelation of the last ones."""
    x = x[-CONTEXT:]
    if len(x) <= 2 * ORDER or not x.any():
        return np.zeros(count)
    power = np.correlate(x, x, "full")[len(x) - 1 :][: ORDER + 1]
    power[0] *= 1 + 1e-4
    weights, found = solve_toeplitz(power[:-1], power[1:]), [*x[-ORDER:]]
    for _ in range(count):
        found.append(float(np.dot(weights, found[: -ORDER - 1 : -1])))
    return np.array(found[ORDER:])


class Case(NamedTuple):
    """A corruption, and what one would take against it."""

    corruption: Corruption
    tools: Mapping[str, Mend] = {}


DENOISERS: Mapping[str, Mend] = {"spectral gating": gating, "Wiener": lambda x, rate: wiener(x, 29)}
CASES = {
    **{f"noise {snr} dB": Case(Noise(snr_db=snr), DENOISERS) for snr in (0, 5, 10, 15)},
    "clipping 10 dB": Case(Clipping(depth_db=10)),
    "band up to 0.4": Case(BandLimit(high=0.4, low=0.0)),
    "10 % of the packets lost": Case(PacketLoss(ratio=0.1), {"linear prediction": predicted}),
    "reverberation 0.6 s": Case(Reverb(rt60=0.6), DENOISERS),
    "reversed": Case(Reversal()),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run on waveforms")
    parser.add_argument("--samples", type=int, default=100, help="test samples")
    asked = parser.parse_args()
    model, data = sslp.load(asked.run), build_part("data", read_saved(asked.run).config["data"])
    batch = next(spread_batches(data.test, asked.samples, asked.samples))
    clean = as_float(batch.x, data.grid)
    rate = round(1 / data.grid.axes[-1].spacing)
    print(markdown.table_head("SI-SDR; LSD, dB", "corrupted", "classical", "restored", "s a second of sound"))
    for number, (name, case) in enumerate(CASES.items()):
        corrupt = case.corruption.bind(data.grid)
        x = stored(corrupt(clean_view(data.grid, clean), torch.Generator().manual_seed(number)).x, data.grid)
        changed = (x != stored(clean, data.grid)).flatten(1).any(1)
        x, truth = x[changed], clean[changed]
        mended = {tool: _each(mend, x, rate) for tool, mend in case.tools.items()}
        scores = {tool: _scores(some, truth, data.grid) for tool, some in mended.items()}
        best = max(scores, key=lambda tool: scores[tool][0], default=None)
        begin = time.perf_counter()
        ours = model.restore(x)
        seconds = (time.perf_counter() - begin) / (x.numel() / rate)
        shown = f"{best} {_said(scores[best])}" if best else ""
        print(markdown.row(name, _said(_scores(x, truth, data.grid)), shown, _said(_scores(ours, truth, data.grid)),
                           f"{seconds:.3f}"), flush=True)  # fmt: skip


def _each(mend: Mend, x: Tensor, rate: int) -> Tensor:
    return torch.from_numpy(np.stack([mend(one.astype(float), rate) for one in x[:, 0].numpy()])).float().unsqueeze(1)


def _scores(x: Tensor, clean: Tensor, grid: sslp.GridSpec) -> tuple[float, float]:
    found = fidelity(x, clean, grid)
    return found["si_sdr"].mean().item(), found["lsd"].mean().item()


def _said(scores: tuple[float, float]) -> str:
    return "{:.1f}; {:.1f}".format(*scores)


if __name__ == "__main__":
    main()
