"""Files of one's own as samples of a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor

from ssl_pipeline.data import Clips, LogMel, Pixels, Waveform
from ssl_pipeline.data.cache.videos import clips_of
from ssl_pipeline.data.codecs.full_scale import to_full_scale
from ssl_pipeline.data.codecs.image import read_image
from ssl_pipeline.data.codecs.text import TextCodec
from ssl_pipeline.data.folders.image_folder import IMAGE_ENDINGS as IMAGES
from ssl_pipeline.data.folders.text_files import TEXT_ENDINGS, read_text
from ssl_pipeline.data.folders.tree import list_files
from ssl_pipeline.data.io.image_file import open_image
from ssl_pipeline.data.io.passages import Passages
from ssl_pipeline.data.io.remarks import Note, Remarks, noting, remark_lines, warn_remarks
from ssl_pipeline.data.io.sound import SOUND_ENDINGS as SOUNDS
from ssl_pipeline.data.io.sound import read_sound, resampled
from ssl_pipeline.data.io.video_frames import VIDEO_ENDINGS as VIDEOS
from ssl_pipeline.data.io.video_frames import check_library, frames_of
from ssl_pipeline.inference.model import Model
from ssl_pipeline.utils.places import existing

T = TypeVar("T")


LEFT_OUT = "_left_out.txt"
"""Names what could not be read; readers of Parquet pass by what begins like this."""

REMARKED = "_remarks.txt"
"""Names what was read otherwise than it may be meant, likewise."""


class Window(NamedTuple):
    """One sample made of a file."""

    name: str  # the file below its folder; of sound and video the second, of a text the symbol at which it begins
    x: Tensor  # (1, C, *grid)
    valid: Tensor | None  # (1, *grid) bool


class Files:
    """The images, recordings, videos or texts of a folder.

    Args:
        codec: of the model.
        root: the folder, or one file.

    Attributes:
        files: below the folder, in order.
        left_out: those that could not be read, and why.
        remarks: those that were read otherwise than they may be meant.
        sound: they are recordings.
        video: they are videos.

    Raises:
        ModuleNotFoundError: videos, and PyAV is not installed.
        FileNotFoundError: there is nothing of that kind.
    """

    def __init__(self, codec: Pixels | Clips | Waveform | LogMel | TextCodec, root: Path) -> None:
        self.codec, self.root = codec, root if root.is_dir() else root.parent
        self.sound, self.video = isinstance(codec, (Waveform, LogMel)), isinstance(codec, Clips)
        kind = (SOUNDS, "recording") if self.sound else (VIDEOS, "video") if self.video else (IMAGES, "image")
        kind = (TEXT_ENDINGS, "text") if isinstance(codec, TextCodec) else kind
        if self.video:
            check_library()
        self.files = list_files(root, *kind, "set source to another folder") if root.is_dir() else [Path(root.name)]
        self.left_out: dict[Path, str] = {}
        self.remarks: Remarks = {}
        self._numbers = {file: number for number, file in enumerate(self.files)}

    def windows(self) -> Iterator[Window]:
        """All samples of all files, one file after the other; a rest shorter than half a window is left out."""
        for file in self.files:
            codec = self.codec
            if isinstance(codec, Pixels):
                yield from self._image(codec, file)
            elif isinstance(codec, Clips):
                yield from self._clips(codec, file)
            elif isinstance(codec, TextCodec):
                yield from self._passages(codec, file)
            else:
                yield from self._sounds(codec, file)

    def _image(self, codec: Pixels, file: Path) -> Iterator[Window]:
        x = self.tried(lambda: read_image(self.root / file, codec, self._note(file)), file)
        if x is not None:
            yield Window(file.as_posix(), torch.from_numpy(x)[None], None)

    def _sounds(self, codec: Waveform | LogMel, file: Path) -> Iterator[Window]:
        """Window after window of a recording."""
        if (wave := self.wave(file)) is not None:
            for start in range(0, max(1, len(wave) - (codec.samples + 1) // 2 + 1), codec.samples):
                x, valid = codec.encode([wave[start : start + codec.samples]])
                yield Window(f"{file.as_posix()}@{start / codec.rate:.3f}", x, valid)

    def _note(self, file: Path) -> Note:
        return noting(self.remarks, self._numbers.get(file, 0))

    def _clips(self, codec: Clips, file: Path) -> Iterator[Window]:
        """Clip after clip; a file that cannot be read further is left out from there on."""
        clips, start = clips_of(self.root / file, codec, codec.frames), 0.0
        while (clip := self.tried(lambda: next(clips, None), file)) is not None:
            yield Window(f"{file.as_posix()}@{start:.3f}", clip[None], None)
            start += codec.frames / codec.fps
        if not start and file not in self.left_out:
            self.left_out[file] = "it is shorter than a clip"

    def _passages(self, codec: TextCodec, file: Path) -> Iterator[Window]:
        """Passages of a text as those of a data set are cut, the last one however short."""
        if (text := self.tried(lambda: read_text(self.root / file), file)) is None:
            return
        passages = Passages(codec.symbols([text]), codec.end, codec.length)
        for i, start in enumerate(passages.start.tolist()):
            batch = passages[[i]]
            yield Window(f"{file.as_posix()}@{start}", batch.x, batch.valid)

    def frames(self, file: Path) -> UInt8[np.ndarray, "T H W C"] | None:
        """A video in its own size at the model's rate; None where it cannot be read."""
        codec = self.codec
        assert isinstance(codec, Clips)
        return self.tried(lambda: np.stack([*frames_of(self.root / file, codec.fps, codec.channels)]), file)

    def wave(self, file: Path) -> Tensor | None:
        """A recording at the model's rate, in the units of files; None where it cannot be read."""
        codec = self.codec
        assert isinstance(codec, (Waveform, LogMel))
        if (sound := self.tried(lambda: read_sound(self.root / file), file)) is None:
            return None
        full = codec.full_scale
        return resampled(to_full_scale(sound.wave, full, self._note(file)), sound.rate, codec.rate) * full

    def image(self, file: Path) -> Shaped[np.ndarray, "H W C"] | None:
        """An image in its own size, uint8 or floats from 0 to 1, see ``Pixels``; None where it cannot be read."""
        codec = self.codec
        assert isinstance(codec, Pixels)

        def read() -> Shaped[np.ndarray, "H W C"]:
            with open_image(self.root / file) as opened:
                return codec.whole(opened, self._note(file))

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
        """Warn of what was read otherwise than it may be meant, and of what was left out; name all of that in a file.

        Args:
            folder: of that file.

        Raises:
            ValueError: there was nothing else.
        """
        warn_remarks(self.files, self.remarks, "recording" if self.sound else "image")
        self._keep_remarks(folder / REMARKED)
        file = folder / LEFT_OUT
        if not self.left_out:
            file.unlink(missing_ok=True)
            return
        lines = [f"{file} ({why})" for file, why in self.left_out.items()]
        file.write_text("\n".join(lines) + "\n")
        rest = f"; and {len(lines) - 3} more, see {file}" if len(lines) > 3 else ""
        said = f"{len(lines)} of {len(self.files)} files were left out: {'; '.join(lines[:3])}{rest}"
        if len(lines) == len(self.files):
            raise ValueError(f"{said}: nothing was written; set source to files that can be read")
        warnings.warn(said, stacklevel=3)

    def _keep_remarks(self, file: Path) -> None:
        """Add them to those of the files that were read before."""
        lines = file.read_text().splitlines() if file.is_file() else []
        if new := [line for line in remark_lines(self.files, self.remarks) if line not in lines]:
            file.write_text("\n".join([*lines, *new]) + "\n")


def files_of(model: Model, root: Path) -> Files:
    """The files of a folder that a model can take.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a model of data that lie in no files; a pipe or a device.
    """
    if not isinstance(model.codec, (Pixels, Clips, Waveform, LogMel, TextCodec)):
        raise ValueError(
            "source= takes files of images, recordings, videos and texts, and this model is of none: pass its samples "
            "in Python, or have embed read a data set, data=..., such as data=csv data.root=FILE for a table"
        )
    if not existing(root).is_dir() and not root.is_file():
        raise ValueError(f"{root} is a pipe or a device: set source to a file, or to a folder of files")
    return Files(model.codec, root)
