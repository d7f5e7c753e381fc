"""Files of one's own as samples of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from PIL import Image
from torch import Tensor

from ssl_pipeline.datasets import LogMel, Pixels, Waveform
from ssl_pipeline.datasets.folder import ENDINGS as IMAGES
from ssl_pipeline.datasets.folder import list_files
from ssl_pipeline.datasets.image import upright
from ssl_pipeline.datasets.sound import ENDINGS as SOUNDS
from ssl_pipeline.datasets.sound import read_sound, resampled
from ssl_pipeline.inference import Model

T = TypeVar("T")


class Window(NamedTuple):
    """One sample made of a file."""

    name: str  # the file below its folder, and of sound the second at which it begins
    x: Tensor  # (1, C, *grid)
    valid: Tensor | None  # (1, *grid) bool


class Files:
    """The images or recordings of a folder.

    Args:
        codec: of the model.
        root: the folder, or one file.

    Attributes:
        files: below the folder, in order.
        left_out: those that could not be read, and why.

    Raises:
        FileNotFoundError: there is nothing of that kind.
    """

    def __init__(self, codec: Pixels | Waveform | LogMel, root: Path) -> None:
        self.codec, self.root = codec, root if root.is_dir() else root.parent
        self.sound = not isinstance(codec, Pixels)
        kind = (SOUNDS, "recording") if self.sound else (IMAGES, "image")
        self.files = list_files(root, *kind, "set source to another folder") if root.is_dir() else [Path(root.name)]
        self.left_out: dict[Path, str] = {}

    def windows(self) -> Iterator[Window]:
        """All samples of all files, one file after the other; a rest shorter than half a window is left out."""
        for file in self.files:
            if isinstance(self.codec, Pixels):
                if (x := self.tried(lambda f=file: self.codec.encode([self.root / f])[0], file)) is not None:
                    yield Window(file.as_posix(), x, None)
                continue
            if (wave := self.wave(file)) is None:
                continue
            size, rate = self.codec.samples, self.codec.rate
            for start in range(0, max(1, len(wave) - size // 2), size):
                yield Window(f"{file.as_posix()}@{start / rate:.3f}", *self.codec.encode([wave[start : start + size]]))

    def wave(self, file: Path) -> Tensor | None:
        """A recording at the model's rate; None where it cannot be read."""
        assert not isinstance(self.codec, Pixels)
        rate = self.codec.rate
        sound = self.tried(lambda: read_sound(self.root / file), file)
        return None if sound is None else resampled(sound.wave, sound.rate, rate)

    def image(self, file: Path) -> Image.Image | None:
        """An image in its own size, as the codec takes it; None where it cannot be read."""
        codec = self.codec
        assert isinstance(codec, Pixels)

        def read() -> Image.Image:
            with Image.open(self.root / file) as opened:
                return upright(opened, codec.channels)

        return self.tried(read, file)

    def tried(self, read: Callable[[], T], file: Path) -> T | None:
        """What a file holds; what cannot be read is left out, and decoders raise whatever they like."""
        try:
            return read()
        except MemoryError:
            raise
        except Exception as error:
            self.left_out[file] = " ".join((str(error) or type(error).__name__).split())
            return None

    def check(self, folder: Path) -> None:
        """Name what was left out, all of it in a file ``left_out.txt``.

        Args:
            folder: of that file.

        Raises:
            ValueError: something was.
        """
        if self.left_out:
            lines = [f"{file} ({why})" for file, why in self.left_out.items()]
            (folder / "left_out.txt").write_text("\n".join(lines) + "\n")
            rest = f"; and {len(lines) - 3} more, see {folder / 'left_out.txt'}" if len(lines) > 3 else ""
            raise ValueError(f"{len(lines)} of {len(self.files)} files were left out: {'; '.join(lines[:3])}{rest}")


def files_of(model: Model, root: Path) -> Files:
    """The files of a folder that a model can take.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a model of texts, or of data that lie in no files.
    """
    if not isinstance(model.codec, (Pixels, Waveform, LogMel)):
        raise ValueError("source= takes images and recordings, and this model is of neither: name a data set, data=...")
    if not root.exists():
        raise FileNotFoundError(f"there is no {root}: set source to a file, or to a folder of files")
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
    except (RuntimeError, AssertionError):
        raise ValueError(f"device={name}: there is no such device here; take cpu or auto") from None
