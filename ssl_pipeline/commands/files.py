"""Files of one's own as samples of a model."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ssl_pipeline.datasets import LogMel, Pixels, Waveform
from ssl_pipeline.datasets.folder import ENDINGS as IMAGES
from ssl_pipeline.datasets.folder import list_files
from ssl_pipeline.datasets.sound import ENDINGS as SOUNDS
from ssl_pipeline.datasets.sound import read_sound, resampled
from ssl_pipeline.inference import Model


class Place(NamedTuple):
    """A window of a file."""

    file: Path  # below the folder
    start: int = 0  # sample of sound at which it begins


class Files:
    """The images or recordings of a folder.

    Args:
        codec: of the model.
        root: the folder.

    Raises:
        FileNotFoundError: there is nothing of that kind.
    """

    def __init__(self, codec: Pixels | Waveform | LogMel, root: Path) -> None:
        self.codec, self.root = codec, root
        self.sound = not isinstance(codec, Pixels)
        kind = (SOUNDS, "recording") if self.sound else (IMAGES, "image")
        self.files = list_files(root, *kind, "set source to another folder")

    def windows(self) -> list[Place]:
        """All windows of all files, one after the other; a rest shorter than half a window is left out."""
        if isinstance(self.codec, Pixels):
            return [Place(file) for file in self.files]
        import soundfile

        size, places = self.codec.samples, []
        for file in self.files:
            info = soundfile.info(str(self.root / file))
            length = round(info.frames * self.codec.rate / info.samplerate)
            starts = range(0, max(1, length - size // 2), size)
            places += [Place(file, start) for start in starts]
        return places

    def read(self, places: list[Place]) -> tuple[Tensor, Tensor | None]:
        """Samples of some windows, and which cells are real."""
        if isinstance(self.codec, Pixels):
            return self.codec.encode([self.root / place.file for place in places])
        waves = {file: self.wave(file) for file in dict.fromkeys(place.file for place in places)}
        cut = [waves[place.file][place.start : place.start + self.codec.samples] for place in places]
        return self.codec.encode(cut)

    def wave(self, file: Path) -> Tensor:
        """A recording at the model's rate."""
        assert not isinstance(self.codec, Pixels)
        sound = read_sound(self.root / file)
        return resampled(sound.wave, sound.rate, self.codec.rate)

    def name(self, place: Place) -> str:
        """How a window is called: the file, and of sound the second at which it begins."""
        if isinstance(self.codec, Pixels):
            return place.file.as_posix()
        return f"{place.file.as_posix()}@{place.start / self.codec.rate:g}"


def files_of(model: Model, root: Path) -> Files:
    """The files of a folder that a model can take.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a model of texts, or of data that lie in no files.
    """
    if not isinstance(model.codec, (Pixels, Waveform, LogMel)):
        raise ValueError("source= takes images and recordings, and this model is of neither: name a data set, data=...")
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}: set source to a folder of files")
    return Files(model.codec, root)


def device_of(name: str) -> torch.device:
    """A device by name; ``auto`` is an accelerator where there is one.

    Raises:
        ValueError: no such device here.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={name}: {' '.join(str(error).split())[:100]}: take another, or auto") from None
