"""How recordings become windows of a waveform or of a spectrogram."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Any, NamedTuple

_WINDOWS = Template("""\
import numpy as np
import soundfile

files = ["recording.wav"]


def windows_of(file):  # one after the other; at the end a rest below half a window is left out
    wave, rate = soundfile.read(file, dtype="float32", always_2d=True)
    if rate != $rate or not len(wave):
        raise ValueError(f"{file}: expected sound at $rate samples a second, got {len(wave)} at {rate}: resample it")
    wave = (wave.mean(axis=1)$scaled).clip(-1, 1)
    return [wave[start : start + $samples] for start in range(0, max(1, len(wave) - $half), $samples)]


windows = [window for file in files for window in windows_of(file)]
lengths = np.array([[len(window)] for window in windows])
x = np.stack([np.pad(window, (0, $samples - len(window))) for window in windows])
""")
_WAVE = Template("""\
valid = np.arange($samples) < lengths  # False = padding
x = x[:, None]""")
_MEL = Template("""\
hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange($window) / $window)
frames = np.pad(x, [(0, 0), ($before, $after)], mode="reflect")
frames = np.lib.stride_tricks.sliding_window_view(frames, $window, axis=1)[:, ::$hop][:, : $samples // $hop]
power = abs(np.fft.rfft(frames * (hann / np.linalg.norm(hann)), n=$fft)) ** 2
hertz = 700 * (10 ** (np.linspace(0, np.log10(1 + $rate / 2 / 700), $mels + 2)) - 1)
slope = hertz - np.linspace(0, $rate // 2, $bins)[:, None]
bank = np.minimum(-slope[:, :-2] / np.diff(hertz)[:-1], slope[:, 2:] / np.diff(hertz)[1:]).clip(0)
x = np.log(power @ (bank / bank.sum(0)) + $floor).transpose(0, 2, 1)[:, None].astype(np.float32)
valid = (np.arange($samples // $hop) * $hop < lengths)[:, None].repeat($mels, 1)  # False = padding""")


class MelBands(NamedTuple):
    """A spectrogram in bands that are equally wide on the mel scale, from 0 Hz to half the rate."""

    mels: int
    hop: int  # samples
    window: int  # samples of the Hann window
    fft: int  # length of the transform
    floor: float  # is added to the power before the logarithm


@dataclass(frozen=True)
class SoundPreprocessing:
    """Recordings as windows of one channel.

    Args:
        rate: samples per second.
        samples: of a window.
        full_scale: value in files that becomes 1, beyond which they are cut off.
        bands: of a spectrogram; None: the waveform itself.
    """

    rate: int
    samples: int
    full_scale: float = 1.0
    bands: MelBands | None = None

    def config(self) -> dict[str, Any]:
        """In the words of Hugging Face's feature extractors where they fit."""
        shape = f"{self.samples}"
        about = {
            "type": "sound",
            "sampling_rate": self.rate,
            "n_samples": self.samples,
            "stride": self.samples,
            "channels": "averaged",
            "full_scale": self.full_scale,
            "padding_side": "right",
            "padding_value": 0.0,
        }
        if self.bands is not None:
            mels, hop, window, fft, floor = self.bands
            shape = f"{mels}, {self.samples // hop}"
            about |= {"feature_size": mels, "hop_length": hop, "win_length": window, "n_fft": fft, "mel_floor": floor}
            about |= {"window_function": "hann", "pad_mode": "reflect", "mel_scale": "htk", "mel_norm": "sum"}
            about |= {"power": 2.0, "log_mel": "ln(power + mel_floor)", "frequency_min": 0.0}
        return about | {"input": f"x (B, 1, {shape}) float32, valid (B, {shape}) bool"}

    def sentences(self) -> list[str]:
        """From the file to the numbers."""
        found = [
            f"Recordings have {self.rate} samples a second (the package resamples others, the lines below refuse "
            f"them); channels are averaged, {self.full_scale:g} is full scale (1), what lies beyond "
            f"is cut off. They are cut into windows of "
            f"{self.samples} samples, one after the other; a short one is padded with zeros, where `valid` is False."
        ]
        if self.bands is not None:
            mels, hop, window, fft, floor = self.bands
            found.append(
                f"Of each window the natural logarithm of the power + {floor:g} in {mels} mel bands from 0 to "
                f"{self.rate // 2} Hz, whose weights sum to 1: a frame each {hop} samples, Hann windows of {window} "
                f"samples with norm 1, transforms of {fft}."
            )
        return found

    def code(self) -> str:
        """With soundfile."""
        words: dict[str, Any] = {"rate": self.rate, "samples": self.samples, "half": (self.samples + 1) // 2 - 1}
        words |= {"scaled": "" if self.full_scale == 1 else f" / {self.full_scale!r}"}
        if self.bands is None:
            return _WINDOWS.substitute(words) + _WAVE.substitute(words)
        words |= self.bands._asdict()
        words |= {"before": (self.bands.window + 1) // 2, "after": self.bands.window // 2}
        words |= {"bins": self.bands.fft // 2 + 1}
        return _WINDOWS.substitute(words) + _MEL.substitute(words)
