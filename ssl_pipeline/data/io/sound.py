"""Sound files of any kind: read, mixed down to one channel, brought to one rate, cut into windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from ssl_pipeline.data.io.regular_file import check_regular
from ssl_pipeline.data.io.sound_range import FLOATS
from ssl_pipeline.utils.extras import require

# torchaudio and soundfile are imported inside the functions: only sound needs them.

SOUND_ENDINGS = (".wav", ".flac", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".au", ".w64", ".caf", ".mp3")


class Sound(NamedTuple):
    """One channel of a recording."""

    wave: Float32[Tensor, "n"]  # between -1 and 1, or floats of a file in its own units
    rate: int  # samples per second
    cut_short: bool = False  # the file holds less than its header promises


def read_sound(file: str | Path | BytesIO) -> Sound:
    """What a file, or the bytes of one, holds; channels are averaged.

    Raises:
        ValueError: no samples, some that are not finite, or a pipe or a device.
        OSError: no such file.
        soundfile.SoundFileError: it cannot be decoded.
    """
    require("soundfile", "audio", "sound")
    import soundfile

    if isinstance(file, (str, Path)):
        check_regular(file)
        if not Path(file).stat().st_size:
            raise ValueError("it is empty")
    with soundfile.SoundFile(file) as open_sound:
        promised, rate, is_float = open_sound.frames, open_sound.samplerate, open_sound.subtype in FLOATS
        samples = open_sound.read(dtype="float32", always_2d=True).mean(axis=1)
        # libsndfile corrects the length of a WAV or AIFF that ends early, and says so in its log only.
        cut_short = len(samples) < promised or any(
            line.lstrip().startswith(("data", "SSND")) and "should be" in line
            for line in open_sound.extra_info.splitlines()
        )
    if not len(samples):
        raise ValueError("it holds no samples")
    if not np.isfinite(samples).all():
        raise ValueError("it holds samples that are not finite")
    wave = torch.from_numpy(samples)  # decoders of lossy kinds may swing over full scale
    return Sound(wave if is_float else wave.clamp_(-1, 1), rate, cut_short)


def resampled(wave: Float32[Tensor, "n"], rate: int, to: int) -> Float32[Tensor, "m"]:
    """The same sound, between -1 and 1, at another rate (samples per second).

    >>> resampled(torch.zeros(441), 44_100, 16_000).shape
    torch.Size([160])
    """
    if rate == to:
        return wave
    from torchaudio.functional import resample

    # Rates without a common divisor would make a filter for each of thousands of phases.
    ratio = Fraction(to, rate).limit_denominator(1000)
    return resample(wave, ratio.denominator, ratio.numerator).clamp_(-1, 1)


def common_rate(files: Sequence[Path], workers: int = 1) -> int:
    """The most common rate among the headers, the higher one of two; files without a readable header do not count.

    Raises:
        ValueError: there is no readable header.
    """
    import soundfile

    def rate_of(file: Path) -> int | None:
        try:
            return soundfile.info(str(file)).samplerate
        except (OSError, soundfile.SoundFileError):  # whoever reads the file itself tells the reason
            return None

    with ThreadPoolExecutor(workers) as pool:
        counts = Counter(rate for rate in pool.map(rate_of, files) if rate)
    if not counts:
        raise ValueError(
            f"none of the {len(files)} recordings can be read, {files[0]} the first of them: "
            f"set data.root to a folder of intact recordings"
        )
    return max(counts, key=lambda rate: (counts[rate], rate))


def cut_windows(
    wave: Float32[Tensor, "n"], size: int, stride: int
) -> tuple[Float32[Tensor, "W size"], Int64[Tensor, "W"]]:
    """Windows of ``size`` samples, ``stride`` apart, and how many samples of each are real.

    A shorter recording is one window, padded with zeros. What is left at the end of a longer one, if it is at least
    half a window, is completed with the samples before it, so that the last window ends where the recording does.

    >>> cut_windows(torch.arange(9.0), size=4, stride=4)[0].tolist()
    [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]
    >>> cut_windows(torch.arange(10.0), size=4, stride=4)[0][-1].tolist()
    [6.0, 7.0, 8.0, 9.0]
    >>> cut_windows(torch.arange(3.0), size=4, stride=4)[1].tolist()
    [3]
    """
    n = len(wave)
    if n < size:
        return torch.nn.functional.pad(wave, (0, size - n)).unsqueeze(0), torch.tensor([n])
    cut = wave.unfold(0, size, stride)
    left = n - len(cut) * stride
    # With overlapping windows, the samples left over may have been seen: new ones are those after the last window.
    if left < size and 2 * left >= size and n > (len(cut) - 1) * stride + size:
        cut = torch.cat([cut, wave[-size:].unsqueeze(0)])
    return cut, torch.full((len(cut),), size)


def open_sound(file: str | Path) -> Sound:
    """What a file holds.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it cannot be read.
    """
    require("soundfile", "audio", "sound")
    import soundfile

    if not Path(file).is_file():
        raise FileNotFoundError(f"there is no file {str(file)!r}: give the path of a recording")
    try:
        return read_sound(file)
    except (ValueError, OSError, soundfile.SoundFileError) as error:
        raise ValueError(f"{file} cannot be read as a recording: {' '.join(str(error).split())}") from None


def wav_kind(full_scale: float) -> str:
    """Of a WAV file: 16 bits, or floats where full scale is not 1."""
    return "PCM_16" if full_scale == 1 else "FLOAT"


def write_wav(path: Path, wave: Float32[Tensor, "n"], rate: int, full_scale: float = 1.0) -> Path:
    """Write a waveform as ``path`` with the ending .wav, 16 bits, or floats where full scale is not 1."""
    require("soundfile", "audio", "sound")
    import soundfile

    file = path.parent / f"{path.name}.wav"
    samples = wave.detach().clamp(-full_scale, full_scale).cpu().numpy()
    soundfile.write(file, samples, rate, subtype=wav_kind(full_scale))
    return file
