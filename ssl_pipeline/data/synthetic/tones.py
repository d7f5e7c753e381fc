"""Short notes, generated: a set that needs no file and has three factors to look for."""

from __future__ import annotations

from math import pi

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Subset
from ssl_pipeline.data.io.mel_statistics import sound_codec
from ssl_pipeline.data.io.recordings import Recordings
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.options import Options, Spectrogram
from ssl_pipeline.structures.random import generator

_LOWEST = 110.0  # Hz
_NAMES = ("A", "A#", "B", "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#")
_PITCHES = tuple(f"{_NAMES[i % 12]}{2 + (i + 9) // 12}" for i in range(24))
_TIMBRES = {  # strength of the harmonics 1, 2, …
    "pure": (1.0, 0.05),
    "hollow": (1.0, 0.0, 0.6, 0.0, 0.4, 0.0, 0.3),
    "bright": (1.0, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35),
    "nasal": (0.3, 0.4, 0.8, 1.0, 0.9, 0.5),
}
_ENVELOPES = ("pluck", "swell", "steady")
_FACTORS = {"pitch": _PITCHES, "timbre": tuple(_TIMBRES), "envelope": _ENVELOPES}


@register("data", "tones")
def tones(
    label: str = "pitch",
    samples: int = 2400,
    rate: int = 8000,
    seconds: float | int = 0.5,
    features: str = "logmel",
    spectrogram: Spectrogram | Options = Spectrogram(),
    seed: int = 0,
) -> Data:
    """Notes of 24 pitches, four timbres and three envelopes, slightly out of tune, some late, some faint, all noisy.

    The last sixth is held out. The same options give the same notes each time.

    Args:
        label: the factor that the labels tell: "pitch", "timbre" or "envelope".
        samples: number of notes.
        rate: samples per second, at least 8000.
        seconds: length of a note.
        features: "logmel", or "waveform" for the sound as it is.
        spectrogram: of the log-mel features; of waveforms, of what tables compare with.
        seed: of the notes.

    Raises:
        ValueError: another label, less than 12 notes, or a rate too low for the harmonics.
    """
    spectrogram = Spectrogram.of(spectrogram)
    if label not in _FACTORS:
        raise ValueError(f"expected label to be one of {', '.join(_FACTORS)}, got {label!r}")
    if samples < 12 or rate < 8000:
        raise ValueError(f"expected at least 12 samples at 8000 Hz or more, got {samples} at {rate} Hz")
    codec, baseline = sound_codec(features, rate, seconds, spectrogram)
    factors = draw_factors(samples, seed)
    stored = []
    for number, part in enumerate(torch.arange(samples).split(256)):
        some = {name: values[part] for name, values in factors.items()}
        stored.append(codec.compact(play(some, rate, codec.samples, generator("cpu", seed, "tones", number))))
    notes = Recordings(
        MemoryDataset(torch.cat(stored)),
        lengths=torch.full((samples,), codec.samples),
        codec=codec,
        sources=torch.arange(samples),
        labels=factors[label],
    )
    first = samples - samples // 6
    return Data(
        grid=codec.grid,
        train=Subset(notes, range(first)),
        test=Subset(notes, range(first, samples)),
        classes=_FACTORS[label],
        name="tones",
        codec=codec,
        baseline=baseline,
    )


def draw_factors(samples: int, seed: int) -> dict[str, Int64[Tensor, "N"]]:
    """Pitch, timbre and envelope of each note; all combinations about equally often."""
    combination = torch.randperm(samples, generator=generator("cpu", seed, "tones")) % (24 * 4 * 3)
    return {"pitch": combination % 24, "timbre": combination // 24 % 4, "envelope": combination // 96}


def play(
    factors: dict[str, Int64[Tensor, "B"]], rate: int, samples: int, random: torch.Generator
) -> Float[Tensor, "B n"]:
    """The notes, between -1 and 1."""
    batch = len(factors["pitch"])

    def between(low: float, high: float) -> Float[Tensor, "B 1"]:
        return low + (high - low) * torch.rand(batch, 1, generator=random)

    seconds = samples / rate
    start = between(0, 0.15 * seconds)
    time = torch.arange(samples) / rate - start
    cents = between(-40, 40)
    hertz = _LOWEST * 2 ** ((factors["pitch"].unsqueeze(1) + cents / 100) / 12)
    # sin(kx) one after the other, by sin((k+1)x) = 2 cos(x) sin(kx) - sin((k-1)x)
    angle = 2 * pi * hertz * time + between(0, 2 * pi)
    twice, before, harmonic = 2 * angle.cos(), torch.zeros_like(angle), angle.sin()
    most = max(map(len, _TIMBRES.values()))
    recipes = torch.tensor([[*recipe, *[0.0] * (most - len(recipe))] for recipe in _TIMBRES.values()])
    strength = (recipes / recipes.norm(dim=1, keepdim=True))[factors["timbre"]]
    wave = torch.zeros_like(angle)
    for k in range(most):
        wave.addcmul_(strength[:, k : k + 1], harmonic)
        before, harmonic = harmonic, twice * harmonic - before
    wave *= _envelope(time / seconds, factors["envelope"])
    wave += torch.randn(wave.shape, generator=random) * between(0.02, 0.15)
    return wave.mul_(between(0.05, 0.3)).clamp_(-1, 1)


def _envelope(time: Float[Tensor, "B n"], which: Int64[Tensor, "B"]) -> Float[Tensor, "B n"]:
    """Loudness over time, which is 0 at the start of a note and 1 after a whole window."""
    attack = (time / 0.02).clamp(0, 1)
    shapes = torch.stack([attack * (-5 * time.clamp_min(0)).exp(), (1.2 * time).clamp(0, 1), attack])
    return shapes[which, torch.arange(len(which))]
