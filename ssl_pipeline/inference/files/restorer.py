"""Corrupted images, recordings and videos in, clean ones of the same size out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Shaped
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from ssl_pipeline.data import LogMel, Pixels, Waveform
from ssl_pipeline.data.codecs.full_scale import to_full_scale
from ssl_pipeline.data.codecs.log_mel import log_mel_spectrogram
from ssl_pipeline.data.codecs.text import TextCodec
from ssl_pipeline.data.codecs.video import Clips
from ssl_pipeline.data.io.image_file import open_image, save_pixels
from ssl_pipeline.data.io.pixel_values import pixel_values
from ssl_pipeline.data.io.sound import read_sound, wav_kind
from ssl_pipeline.data.io.video_frames import frames_of, write_frames
from ssl_pipeline.inference.files.any_size import AnySizeRestorer, some_windows
from ssl_pipeline.inference.files.reader import Files
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.recognizer import Happened, joined

_LOOKED_AT = 16
"""Windows of a file that are asked what happened to them."""


class FileRestorer:
    """Restores files one by one; what is larger than a sample window by window.

    Args:
        model: has a decoder to the clean form.
        files: to restore.
        view: their corruption.
        mask: of a masked view, a folder with an image for each, of the same name, or one image for all.

    Attributes:
        ending: of the restored files.
        happened: what was found in each file that was restored, where the model can tell.

    Raises:
        ValueError: a mask of a view that is not masked, or none of one that is; masked recordings or videos; texts.
        FileNotFoundError: there is no such mask.
    """

    def __init__(self, model: Model, files: Files, view: str, mask: Path | None = None) -> None:
        if isinstance(files.codec, TextCodec):
            raise ValueError("restore takes files of images, recordings and videos: call Model.restore with the texts")
        needs = "mask" in model.part(f"restorer:{view}").inputs
        if needs and (files.sound or files.video):
            raise ValueError(
                f"view {view} is masked, and recordings and videos have no mask files: call Model.restore with mask="
            )
        if needs != (mask is not None):
            raise ValueError(
                f"view {view} is masked: set mask=..." if mask is None else f"view {view} is not masked: drop mask="
            )
        if mask is not None and not mask.exists():
            raise FileNotFoundError(f"there is no mask={mask}: name an image for all, or a folder with one for each")
        self.model, self.files, self.view, self.mask = model, files, view, mask
        self.happened: dict[Path, Happened] = {}
        self._any_size = AnySizeRestorer(model, view)
        self.ending = ".wav" if files.sound else files.codec.ending if isinstance(files.codec, Pixels) else ".mkv"

    def restore(self, file: Path, target: Path) -> None:
        """Restore a file, whole or not at all; one that cannot be read is noted in ``files.left_out``."""
        restore = self.video if self.files.video else self.sound if self.files.sound else self.image
        if (after := restore(file)) is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._write(target, after)

    def image(self, file: Path) -> np.ndarray | None:
        """A restored image, (H, W, C) in the units of files; None where it is left out."""
        codec = self.files.codec
        assert isinstance(codec, Pixels)
        if (pixels := self.files.image(file)) is None:
            return None
        high, wide = pixels.shape[:2]
        mask = None if self.mask is None else self.files.tried(lambda: self._mask_of(file, (wide, high)), file)
        if self.mask is not None and mask is None:
            return None
        return codec.in_units(self._restored(file, torch.from_numpy(pixels.transpose(2, 0, 1)), mask))

    def video(self, file: Path) -> np.ndarray | None:
        """A restored video, (T, H, W, C) of 8 bits at the model's rate; None where it is left out."""
        if (frames := self.files.frames(file)) is None:
            return None
        after = self._restored(file, torch.from_numpy(frames).movedim(-1, 0))
        return (after.clamp(0, 1) * 255).round().to(torch.uint8).movedim(0, -1).numpy()

    def sound(self, file: Path) -> np.ndarray | None:
        """A restored recording, (N,) in the units of files at the model's rate; None where it is left out."""
        codec = self.files.codec
        assert isinstance(codec, (Waveform, LogMel))
        if (wave := self.files.wave(file)) is None:
            return None
        if len(wave) < codec.samples:
            x, valid = codec.encode([wave])
            self._look(file, x, valid)
            after = codec.decode(self.model.restore(x, self.view, valid=valid).cpu())[0]
        else:  # one spectrogram of the whole, so that its phases are guessed once and fit each other
            whole = to_full_scale(wave, codec.full_scale)[None]
            whole = whole if isinstance(codec, Waveform) else log_mel_spectrogram(whole, codec.spectrum)
            after = codec.decode(self._restored(file, whole)[None])[0]
        return pad(after, (0, max(0, len(wave) - len(after))))[: len(wave)].numpy()

    def _restored(self, file: Path, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """A whole sample (C, *shape), restored."""
        if self.model.recognizer is not None:
            self._look(file, some_windows(x, self.model.grid.shape, _LOOKED_AT))
        return self._any_size.restore(x, mask)

    def _look(self, file: Path, x: Tensor, valid: Tensor | None = None) -> None:
        """Note what happened to the windows of a file, where the model can tell."""
        if self.model.recognizer is not None:
            self.happened[file] = joined(self.model.what_happened(x, valid))

    def before(self, file: Path) -> np.ndarray:
        """What came in, for a picture: a waveform, an image, or the middle frame of a video."""
        if self.files.video:
            frames = self.files.frames(file)
            return np.zeros((1, 1, 1)) if frames is None else frames[len(frames) // 2]
        codec = self.files.codec
        if isinstance(codec, Waveform | LogMel):
            wave = self.files.wave(file)
            return np.zeros(1) if wave is None else wave.numpy() / codec.full_scale
        image = self.files.image(file)
        return np.zeros((1, 1, 1)) if image is None else _visible(image)

    def after(self, target: Path) -> np.ndarray:
        """What went out, as ``before``."""
        codec = self.files.codec
        if isinstance(codec, Waveform | LogMel):
            return read_sound(target).wave.numpy() / codec.full_scale
        if isinstance(codec, Clips):
            frames = [*frames_of(target, codec.fps, codec.channels)]
            return frames[len(frames) // 2]
        assert isinstance(codec, Pixels)
        pages = "first" if self.ending == ".png" else "channels"
        with Image.open(target) as image:
            return _visible(replace(codec, pages=pages).whole(image))

    def _mask_of(self, file: Path, size: tuple[int, int]) -> Tensor:
        """The mask of an image, (H, W).

        Raises:
            ValueError: it is not known, or not of the image's size.
        """
        assert self.mask is not None
        found = self.mask
        if found.is_dir():
            place = found / file.parent
            named = [one for one in place.iterdir() if one.stem == file.stem] if place.is_dir() else []
            if len(named) != 1:
                raise ValueError(f"expected one image of its mask in {place}, got {len(named)}")
            found = named[0]
        with open_image(found) as image:
            if image.size != size:
                raise ValueError(f"{found} has {image.width}x{image.height} pixels, and the image {size[0]}x{size[1]}")
            if image.has_transparency_data:  # what is transparent is not bright
                image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
            return torch.from_numpy(pixel_values(image, 1)[..., 0] > 127)

    def _write(self, target: Path, after: np.ndarray) -> None:
        temporary = target.with_name(f".{target.name}")
        if isinstance(self.files.codec, Clips):
            write_frames(temporary, after, self.files.codec.fps)
        elif not self.files.sound:
            save_pixels(temporary, after)
        else:
            assert isinstance(self.files.codec, (Waveform, LogMel))
            import soundfile

            codec = self.files.codec
            soundfile.write(temporary, after, codec.rate, subtype=wav_kind(codec.full_scale), format="WAV")
        temporary.rename(target)


def _visible(values: Shaped[np.ndarray, "H W C"]) -> Shaped[np.ndarray, "H W c"]:
    """An image as a picture: 8 bits, and of other than three bands the first one."""
    values = values if values.dtype == np.uint8 else (255 * values).astype(np.uint8)
    return values if values.shape[2] == 3 else values[..., :1]
