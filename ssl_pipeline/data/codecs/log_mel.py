"""From waveforms to log-mel spectrograms and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp, log, log2

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

# torchaudio is imported inside the functions: it is slow to import, and only sound needs it.

POWER_FLOOR = 1e-8
"""80 dB below white noise of full scale."""
_STEPS = 64  # of the non-negative least squares
_ROUNDS = 64  # of Griffin and Lim


@dataclass(frozen=True)
class Spectrum:
    """How a spectrogram is taken.

    Args:
        rate: samples per second.
        mels: bands, equally wide on the mel scale, from 0 Hz to half the rate.
        hop: samples from one frame to the next.
        window: samples of the Hann window.

    Raises:
        ValueError: less than one band, or a window that is not at least two hops long.

    >>> Spectrum(rate=8000, mels=40, hop=80, window=200).fft
    256
    """

    rate: int
    mels: int
    hop: int
    window: int

    def __post_init__(self) -> None:
        if self.mels < 1 or self.hop < 1 or self.window < 2 * self.hop:
            raise ValueError(
                f"a log-mel spectrogram needs at least 1 band, a hop of at least 1 sample and a window of at least two "
                f"hops, got mels={self.mels} and, at {self.rate} Hz, {self.hop} and {self.window} samples: "
                f"change mels, hop_ms or window_ms"
            )

    @property
    def fft(self) -> int:
        """Length of the transform: at least the window, and no band narrower than two of its bins."""
        narrowest = _hertz(_mel(self.rate / 2) / (self.mels + 1))  # half of the lowest band
        return 2 ** ceil(log2(max(self.window, self.rate / narrowest)))

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value that a waveform between -1 and 1 can give."""
        return log(POWER_FLOOR), log(POWER_FLOOR + 2 * self.window / 3)  # sum(window)² / sum(window²) = 2/3 window


def log_mel_spectrogram(wave: Float[Tensor, "B n"], spectrum: Spectrum) -> Float[Tensor, "B M T"]:
    """Natural logarithm of the power in each band, ``n // hop`` frames.

    White noise of variance v is about ln(v) in all bands, whatever the window.

    Args:
        wave: between -1 and 1.
        spectrum: how it is taken.

    >>> silence = torch.zeros(1, 4000)
    >>> log_mel_spectrogram(silence, Spectrum(rate=8000, mels=20, hop=80, window=200)).shape
    torch.Size([1, 20, 50])
    """
    window = _window(spectrum, wave.device)
    # The same frames as torch.stft(center=True), which would take the zeros around the window along.
    sides = ((spectrum.window + 1) // 2, spectrum.window // 2)
    padded = pad(wave.unsqueeze(1), sides, mode="reflect").squeeze(1)
    frames = padded.unfold(-1, spectrum.window, spectrum.hop)[:, : wave.shape[-1] // spectrum.hop]
    z = torch.fft.rfft(frames * (window / window.norm()), n=spectrum.fft)
    power = z.real.square() + z.imag.square()  # (B, T, F); abs() guards against overflow, which takes its time
    return (power @ _bank(spectrum).to(wave.device) + POWER_FLOOR).log_().mT.contiguous()


def waveform(x: Float[Tensor, "B M T"], spectrum: Spectrum, samples: int) -> Float[Tensor, "B n"]:
    """A waveform with about this log-mel spectrogram: least squares for the spectrum, Griffin and Lim for the phases.

    The same spectrogram gives the same waveform each time.

    Args:
        x: as ``log_mel_spectrogram`` gives them.
        spectrum: how it was taken.
        samples: length of the result.
    """
    from torchaudio.functional import griffinlim

    mel = (x.float().exp() - POWER_FLOOR).clamp_min(0)
    mel = torch.cat([mel, mel[..., -1:]], dim=-1)[..., : samples // spectrum.hop + 1]  # the frame that was left out
    window = _window(spectrum, x.device)
    power = _spread(mel, _bank(spectrum).to(x.device)) * window.square().sum()
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
        torch.manual_seed(0)  # the first phases are random
        return griffinlim(
            power,
            window,
            n_fft=spectrum.fft,
            hop_length=spectrum.hop,
            win_length=spectrum.window,
            power=2.0,
            n_iter=_ROUNDS,
            momentum=0.99,
            length=samples,
            rand_init=True,
        )


def _window(spectrum: Spectrum, device: torch.device) -> Float[Tensor, "w"]:
    return torch.hann_window(spectrum.window, device=device)


@lru_cache(maxsize=8)
def _bank(spectrum: Spectrum) -> Float[Tensor, "F M"]:
    from torchaudio.functional import melscale_fbanks

    bins = spectrum.fft // 2 + 1
    bank = melscale_fbanks(bins, 0.0, spectrum.rate / 2, spectrum.mels, spectrum.rate, norm="slaney")
    return bank / bank.sum(0)  # the norm is meant for infinitely narrow bins


def _spread(mel: Float[Tensor, "B M T"], bank: Float[Tensor, "F M"]) -> Float[Tensor, "B F T"]:
    """Non-negative power of the bins that gives ``mel`` in the bands (Lee and Seung's multiplicative steps)."""
    target = bank @ mel
    power = target / bank.sum(1, keepdim=True).clamp_min(1e-12)
    both = bank @ bank.T
    for _ in range(_STEPS):
        power = power * target / (both @ power).clamp_min(1e-20)
    return power


def _mel(hertz: float) -> float:
    return 1127.01048 * log(1 + hertz / 700)


def _hertz(mel: float) -> float:
    return 700 * (exp(mel / 1127.01048) - 1)
