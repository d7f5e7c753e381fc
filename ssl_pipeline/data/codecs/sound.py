"""From recordings to samples on a grid, as waveforms or as log-mel spectrograms, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.codecs.full_scale import stack
from ssl_pipeline.data.codecs.log_mel import POWER_FLOOR, Spectrum, log_mel_spectrogram, waveform
from ssl_pipeline.data.io.sound import write_wav
from ssl_pipeline.data.io.sound_range import checked_sound_range
from ssl_pipeline.data.io.value_range import ValueRange
from ssl_pipeline.data.preprocessing.sound import MelBands, SoundPreprocessing
from ssl_pipeline.structures.grid import GridSpec

_PCM = 32_768  # steps of 16 bits between silence and full scale


@register("codec", "waveform")
@dataclass(frozen=True)
class Waveform:
    """Samples of sound as they are, between -1 and 1.

    Args:
        rate: samples per second.
        seconds: length of a window.
        range: values in files that become -1 and 1, floats beyond which are cut off; None: these themselves.

    Raises:
        ValueError: no sample in a window, or a range whose middle is not 0.

    >>> x, valid = Waveform(rate=8, seconds=0.5).encode([torch.tensor([0.5, -0.5])])
    >>> x.tolist(), valid.tolist()
    ([[[0.5, -0.5, 0.0, 0.0]]], [[True, True, False, False]])
    """

    rate: int
    seconds: float | int
    range: ValueRange | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "range", _checked(self.range))
        if self.rate < 1 or self.samples < 1:
            raise ValueError(
                f"expected a window of at least one sample, got {self.seconds} seconds at {self.rate} Hz: raise seconds"
            )

    @property
    def full_scale(self) -> float | int:
        """Value in files that becomes 1."""
        return 1 if self.range is None else self.range[1]

    @property
    def samples(self) -> int:
        """Samples of sound in a window."""
        return round(self.rate * self.seconds)

    @property
    def grid(self) -> GridSpec:
        time = ("time", self.samples, 1 / self.rate)
        return GridSpec.of(time, channels=1, range=(-1.0, 1.0), signal=True, storage=2 * _PCM)

    def preprocessing(self) -> SoundPreprocessing:
        return SoundPreprocessing(self.rate, self.samples, self.full_scale)

    def encode(self, raw: Sequence[Any]) -> tuple[Float[Tensor, "B 1 n"], Bool[Tensor, "B n"] | None]:
        """Samples of recordings: one-dimensional floats at ``rate``, or paths of files at any rate, in their units.

        What goes beyond a window is cut off, what a short one lacks is padded with zeros.

        Raises:
            ValueError: a recording that is neither, cannot be read, is not finite or of another range.
            FileNotFoundError: there is no such file.
        """
        wave, lengths = stack(raw, self.rate, self.samples, self.full_scale)
        return wave.unsqueeze(1), self.valid(lengths)

    def decode(self, x: Tensor, valid: Tensor | None = None) -> list[Float[Tensor, "n"]]:
        """Waveforms of samples, without their padding."""
        wave = x[:, 0].float().clamp(-1, 1).cpu() * self.full_scale
        return list(wave) if valid is None else [row[real] for row, real in zip(wave, valid.cpu(), strict=True)]

    def write(self, path: Path, x: Tensor, valid: Tensor | None = None) -> Path:
        """Write one sample as a WAV file, of 16 bits or, with a range, of floats; ``path`` lacks its ending."""
        wave = self.decode(x[None], None if valid is None else valid[None])[0]
        return write_wav(path, wave, self.rate, self.full_scale)

    def plain(self) -> dict[str, Any]:
        """``type`` and options, from which it can be built again."""
        return {"type": "waveform", **asdict(self)}

    def compact(self, wave: Float[Tensor, "B n"]) -> Shaped[Tensor, "B n"]:
        """Windows as they are stored: 16 bit integers."""
        return (wave * _PCM).round_().clamp_(-_PCM, _PCM - 1).to(torch.int16)

    def expand(self, stored: Shaped[Tensor, "B n"]) -> Float[Tensor, "B 1 n"]:
        """Samples of stored windows."""
        return stored.float().div_(_PCM).unsqueeze(1)

    def valid(self, lengths: Int64[Tensor, "B"]) -> Bool[Tensor, "B n"] | None:
        """Which cells are real where a window holds so many samples of sound; None: all of all windows."""
        if bool((lengths >= self.samples).all()):
            return None
        return torch.arange(self.samples) < lengths.unsqueeze(1)


@register("codec", "log_mel")
@dataclass(frozen=True)
class LogMel:
    """Natural logarithm of the power in bands that are equally wide on the mel scale.

    White noise of full scale is about 0, silence -18.4. Going back, the phases are guessed (Griffin and Lim).

    Args:
        rate: samples per second of the sound.
        seconds: length of a window.
        mels: bands, from 0 Hz to half the rate.
        hop_ms: from one frame to the next.
        window_ms: sound that a frame is made of.
        range: values in files that become -1 and 1, floats beyond which are cut off; None: these themselves.

    Raises:
        ValueError: no band, a hop or window too short, a window of sound shorter than a frame needs, or a range whose
            middle is not 0.

    >>> LogMel(rate=8000, seconds=0.5).grid.shape
    (40, 50)
    """

    rate: int
    seconds: float | int
    mels: int = 40
    hop_ms: float | int = 10
    window_ms: float | int = 25
    range: ValueRange | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "range", _checked(self.range))
        needed = self.spectrum.fft // 2 + 1  # as much is reflected at the ends
        if self.samples < needed:
            raise ValueError(
                f"seconds={self.seconds} is too short for log-mel frames of {self.window_ms} ms: "
                f"expected at least {needed / self.rate:.3f} at {self.rate} Hz; raise seconds or lower window_ms"
            )

    @property
    def full_scale(self) -> float | int:
        """Value in files that becomes 1."""
        return 1 if self.range is None else self.range[1]

    @property
    def samples(self) -> int:
        """Samples of sound in a window."""
        return round(self.rate * self.seconds)

    @property
    def spectrum(self) -> Spectrum:
        hop, window = (round(self.rate * ms / 1000) for ms in (self.hop_ms, self.window_ms))
        return Spectrum(self.rate, self.mels, hop, window)

    @property
    def grid(self) -> GridSpec:
        hop = self.spectrum.hop
        time = ("time", self.samples // hop, hop / self.rate)
        return GridSpec.of(("mel", self.mels), time, channels=1, range=self.spectrum.range, log=True)

    def preprocessing(self) -> SoundPreprocessing:
        how = self.spectrum
        bands = MelBands(how.mels, how.hop, how.window, how.fft, POWER_FLOOR)
        return SoundPreprocessing(self.rate, self.samples, self.full_scale, bands)

    def encode(self, raw: Sequence[Any]) -> tuple[Float[Tensor, "B 1 M T"], Bool[Tensor, "B M T"] | None]:
        """Samples of recordings: one-dimensional floats at ``rate``, or paths of files at any rate, in their units.

        What goes beyond a window is cut off, what a short one lacks is padded with silence.

        Raises:
            ValueError: a recording that is neither, cannot be read, is not finite or of another range.
            FileNotFoundError: there is no such file.
        """
        wave, lengths = stack(raw, self.rate, self.samples, self.full_scale)
        if not len(wave):  # which a Fourier transform does not take
            return wave.new_zeros(0, 1, *self.grid.shape), None
        return log_mel_spectrogram(wave, self.spectrum).unsqueeze(1), self.valid(lengths)

    def decode(self, x: Tensor, valid: Tensor | None = None) -> list[Float[Tensor, "n"]]:
        """Waveforms of samples, without their padding; the same sample gives the same waveform each time.

        Those of fewer frames than a window has (small crops) are as much shorter.
        """
        whole = x.shape[-1] == self.samples // self.spectrum.hop
        samples = self.samples if whole else x.shape[-1] * self.spectrum.hop
        wave = waveform(x[:, 0], self.spectrum, samples).clamp(-1, 1).cpu() * self.full_scale
        if valid is None:
            return list(wave)
        real = valid[:, 0].cpu().repeat_interleave(self.spectrum.hop, dim=1)
        # What is over after the last frame belongs to it.
        real = torch.cat([real, real[:, -1:].expand(-1, max(0, samples - real.shape[1]))], dim=1)
        return [row[keep[: len(row)]] for row, keep in zip(wave, real, strict=True)]

    def write(self, path: Path, x: Tensor, valid: Tensor | None = None) -> Path:
        """Write one sample as a WAV file, of 16 bits or, with a range, of floats; ``path`` lacks its ending."""
        wave = self.decode(x[None], None if valid is None else valid[None])[0]
        return write_wav(path, wave, self.rate, self.full_scale)

    def plain(self) -> dict[str, Any]:
        """``type`` and options, from which it can be built again."""
        return {"type": "log_mel", **asdict(self)}

    def compact(self, wave: Float[Tensor, "B n"]) -> Shaped[Tensor, "B M T"]:
        """Windows as they are stored: half precision, good to 0.01."""
        return log_mel_spectrogram(wave, self.spectrum).half()

    def expand(self, stored: Shaped[Tensor, "B M T"]) -> Float[Tensor, "B 1 M T"]:
        """Samples of stored windows."""
        return stored.float().unsqueeze(1)

    def valid(self, lengths: Int64[Tensor, "B"]) -> Bool[Tensor, "B M T"] | None:
        """Which cells are real where a window holds so many samples of sound; None: all of all windows."""
        if bool((lengths >= self.samples).all()):
            return None
        start = torch.arange(self.samples // self.spectrum.hop) * self.spectrum.hop
        # Whole, not expanded: memory that stands for several cells cannot be pinned for a GPU.
        return (start < lengths.unsqueeze(1)).unsqueeze(1).repeat(1, self.mels, 1)


SoundCodec = Waveform | LogMel


def _checked(range: Sequence[float | int] | None) -> ValueRange | None:
    return None if range is None else checked_sound_range((range[0], range[1]))  # a file of codecs has it as a list
