"""What a model of sound is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.data.codecs.log_mel import log_mel_spectrogram
from ssl_pipeline.data.codecs.sound import LogMel, SoundCodec, Waveform
from ssl_pipeline.data.io.value_range import ValueRange
from ssl_pipeline.data.options import Spectrogram
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.utils.extras import require


@dataclass(frozen=True)
class MelStatistics:
    """What stands for raw sound in tables: mean and standard deviation over time of each log-mel band.

    Args:
        mel: the bands; samples that are waveforms are brought to them.

    >>> features = MelStatistics(LogMel(rate=8000, seconds=0.5))
    >>> features(Batch(x=torch.zeros(3, 1, 40, 50), source=torch.arange(3))).shape
    torch.Size([3, 80])
    """

    mel: LogMel

    def __call__(self, batch: Batch) -> Float[Tensor, "B F"]:
        x, valid = batch.x, batch.valid
        if x.ndim == 3:
            frames = self.mel.samples // self.mel.spectrum.hop
            valid = None if valid is None else valid[:, None, : frames * self.mel.spectrum.hop : self.mel.spectrum.hop]
            x = log_mel_spectrogram(x[:, 0], self.mel.spectrum).unsqueeze(1)
        x = x[:, 0].float()
        weight = torch.ones_like(x) if valid is None else valid.expand_as(x).float()
        count = weight.sum(-1).clamp_min(1)
        mean = (x * weight).sum(-1) / count
        variance = ((x - mean.unsqueeze(-1)).square() * weight).sum(-1) / count
        return torch.cat([mean, variance.sqrt()], dim=1)


def sound_codec(
    features: str, rate: int, seconds: float | int, spectrogram: Spectrogram, range: ValueRange | None = None
) -> tuple[SoundCodec, MelStatistics]:
    """The codec that the options of a data set ask for, and what its tables compare with.

    Raises:
        ValueError: ``features`` is neither "logmel" nor "waveform".
    """
    require("torchaudio", "audio", "sound")
    if features not in ("logmel", "waveform"):
        raise ValueError(f"expected features to be logmel or waveform, got {features!r}")
    mel = LogMel(rate, seconds, spectrogram.mels, spectrogram.hop_ms, spectrogram.window_ms, range)
    return (mel if features == "logmel" else Waveform(rate, seconds, range)), MelStatistics(mel)
