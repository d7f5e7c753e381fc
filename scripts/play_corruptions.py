"""What corruptions do to a sound, to see and to hear.

python scripts/play_corruptions.py docs/images/corruptions_sound.jpg
python scripts/play_corruptions.py sheet.jpg --sound FILE --listen FOLDER

Each corruption that recordings are met in, at severities 1, 3 and 5, as spectrograms of four syllables that are made
here, or of a recording of yours. ``--listen`` writes them as WAV files, too.
"""

from __future__ import annotations

import argparse
from math import pi
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ssl_pipeline.data.codecs.log_mel import Spectrum, log_mel_spectrogram
from ssl_pipeline.data.codecs.sound import Waveform
from ssl_pipeline.evaluation.corrupted import P2
from ssl_pipeline.structures.batch import clean_view, stored
from ssl_pipeline.structures.random import generator

RATE, SECONDS, STRIPS = 8000, 1.2, 3
VOWELS = ((730, 1090), (270, 2290), (570, 840), (530, 1840))
"""First and second formant in hertz of the vowels of hot, heed, hawed and head (Peterson and Barney 1952)."""


def syllables(rate: int = RATE, seconds: float = SECONDS) -> Tensor:
    """Four vowels of a falling voice, (1, 1, n) between -1 and 1."""
    time = torch.arange(round(rate * seconds)) / rate
    pitch = 170 - 50 * time / seconds
    phase = 2 * pi * torch.cumsum(pitch, 0) / rate
    part = seconds / len(VOWELS)
    number = (time / part).long().clamp(max=len(VOWELS) - 1)
    formants = torch.tensor(VOWELS, dtype=torch.float32)[number]
    wave = torch.zeros_like(time)
    for harmonic in range(1, int(rate / 2 / 170) + 1):
        away = (harmonic * pitch[:, None] - formants) / torch.tensor([90.0, 140.0])
        wave += (1 / (1 + away.square())).sum(1) * (harmonic * phase).sin()
    loud = (pi * ((time % part) / part)).sin().clamp(min=0).sqrt()
    wave *= loud
    return (0.7 * wave / wave.abs().max()).view(1, 1, -1)


def forms(x: Tensor, codec: Waveform, seed: int) -> dict[str, list[Tensor]]:
    """The clean sound and each corruption of it at three severities, by family, as files hold them."""
    both = clean_view(codec.grid, torch.cat([x, x.flip(-1)]))  # mix adds another sound: the same, backwards
    found = {"clean": [x[0]]}
    for name, corruption in P2().corruptions(codec.grid).items():
        view = corruption(both, generator("cpu", seed, name))
        found.setdefault(name.partition("/")[0], []).append(stored(view.x, codec.grid)[0])
    return found


def sheet(sounds: dict[str, list[Tensor]], rate: int) -> Figure:
    """Spectrograms, several families in a row, severities from left to right."""
    spectrum = Spectrum(rate, 48, rate // 100, rate // 40)
    lines = -(-len(sounds) // STRIPS)
    figure = Figure(figsize=(4.2 * STRIPS, 1.3 * lines), layout="constrained")
    for axis in figure.subplots(lines, STRIPS).flat:
        axis.axis("off")
    for axis, (name, parts) in zip(figure.axes, sounds.items(), strict=False):
        pictures = [log_mel_spectrogram(part, spectrum)[0] for part in parts]
        axis.imshow(torch.cat(pictures, dim=1).numpy(), origin="lower", aspect="auto", vmin=-12, vmax=0, cmap="magma")
        axis.set_title(name, fontsize=8)
        for number in range(1, len(pictures)):
            axis.axvline(number * pictures[0].shape[1] - 0.5, color="white", linewidth=0.6)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sound", type=Path, help="in place of the syllables")
    parser.add_argument("--listen", type=Path, help="folder for WAV files")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    codec = Waveform(RATE, SECONDS)
    sounds = forms(syllables() if args.sound is None else codec.encode([args.sound])[0], codec, args.seed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(sounds, RATE).savefig(args.out, dpi=90, pil_kwargs={"quality": 88})
    if args.listen is not None:
        args.listen.mkdir(parents=True, exist_ok=True)
        for name, parts in sounds.items():
            for number, part in zip((1, 3, 5), parts, strict=False):
                codec.write(args.listen / (name if name == "clean" else f"{name}_{number}"), part)


if __name__ == "__main__":
    main()
