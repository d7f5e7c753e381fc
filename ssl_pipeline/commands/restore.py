"""Restore files: damaged images or recordings in, clean ones out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from ssl_pipeline.commands.files import Files, device_of, files_of
from ssl_pipeline.commands.sheet import before_and_after
from ssl_pipeline.commands.windows import restored
from ssl_pipeline.datasets import Pixels
from ssl_pipeline.datasets.image import MODES
from ssl_pipeline.inference import Model
from ssl_pipeline.reading import load

SHOWN = 8
"""Files on the sheet."""


def restore(
    run: Path,
    view: str,
    source: Path,
    out: Path,
    holes: Path | None = None,
    device: str = "auto",
    set: str | None = None,
) -> None:
    """Restore each file of a folder into a file of the same name in another folder, with a sheet of some of them.

    What is larger or longer than the model's samples is restored window by window, one fading into the next. Files
    that are there already are not made again, so the same command goes on where it was stopped.

    Args:
        run: folder of the run, or of an exported restorer.
        view: the damage that the files have suffered, as the run names it.
        source: folder of images or recordings.
        out: folder of the restored ones: PNG, or WAV of 16 bits at the model's rate.
        holes: for a view with holes, grey images whose bright half says where they are: a folder with one for each
            image, of the same name, or one image for all.
        device: cpu, cuda ... or auto.
        set: name of the data set whose model is wanted, of a run on several.
    """
    model = load(run, set).to(device_of(device))
    part = model.part(f"restorer:{view}")
    files = files_of(model, source)
    if "removed" in part.inputs and files.sound:
        raise ValueError(f"view {view} has holes, and of recordings it cannot be said where: call Model.restore")
    if ("removed" in part.inputs) != (holes is not None):
        raise ValueError(f"view {view} has holes: set holes=..." if holes is None else f"view {view} has no holes")
    if out.resolve() == source.resolve():
        raise ValueError("out and source are the same folder: take another")
    shown: list[tuple[str, np.ndarray, np.ndarray]] = []
    left_out: list[str] = []
    one = _sound if files.sound else _image
    for file in tqdm(files.files, unit=" files"):
        target = out / file.with_suffix(".wav" if files.sound else ".png")
        if target.is_file():
            continue
        try:
            before, after = one(model, files, file, view, holes)
        except (OSError, ValueError, RuntimeError) as error:
            left_out.append(f"{file} ({' '.join(str(error).split())})")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, after, files)
        if len(shown) < SHOWN:
            shown.append((file.as_posix(), before, after))
    if shown:
        before_and_after(shown, out / "before_and_after.png", files.sound)
    if left_out:
        raise ValueError(f"{len(left_out)} of {len(files.files)} files were left out: {'; '.join(left_out[:3])}")
    print(f"{len(files.files):,} files in {out}")


def _image(model: Model, files: Files, file: Path, view: str, holes: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """An image before and after, (H, W, C) of 8 bits."""
    codec = files.codec
    assert isinstance(codec, Pixels)
    with Image.open(files.root / file) as opened:
        image = ImageOps.exif_transpose(opened).convert(MODES[codec.channels])
    pixels = np.asarray(image).reshape(image.height, image.width, codec.channels)
    if min(pixels.shape[:2]) < codec.size:
        raise ValueError(
            f"it has {image.width}x{image.height} pixels, and the model takes at least {codec.size}x{codec.size}"
        )
    hole = None if holes is None else _hole(holes, file, image.size)
    x = torch.from_numpy(pixels.transpose(2, 0, 1).copy())

    def windows(some: Tensor, places: list[tuple[slice, ...]]) -> Tensor:
        removed = None if hole is None else torch.stack([hole[place] for place in places])
        return model.restore(some, view, removed)

    after = restored(x, model.grid.shape, windows)
    return pixels, (after.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def _hole(holes: Path, file: Path, size: tuple[int, int]) -> Tensor:
    """Where an image has holes, (H, W)."""
    found = holes
    if holes.is_dir():
        named = sorted((holes / file.parent).glob(f"{file.stem}.*"))
        if not named:
            raise ValueError(f"there is no image of its holes in {holes}")
        found = named[0]
    with Image.open(found) as image:
        if image.size != size:
            raise ValueError(f"{found} has {image.width}x{image.height} pixels, and the image {size[0]}x{size[1]}")
        return torch.from_numpy(np.asarray(image.convert("L")) > 127)


def _sound(model: Model, files: Files, file: Path, view: str, holes: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """A recording before and after, between -1 and 1 at the model's rate."""
    codec = files.codec
    assert not isinstance(codec, Pixels)
    wave = files.wave(file)
    padded = torch.nn.functional.pad(wave, (0, max(0, codec.samples - len(wave))))

    def windows(some: Tensor, places: list[tuple[slice, ...]]) -> Tensor:
        x, valid = codec.encode(list(some[:, 0]))
        return torch.stack(codec.decode(model.restore(x, view, valid=valid).cpu())).unsqueeze(1)

    after = restored(padded.unsqueeze(0), (codec.samples,), windows)[0, : len(wave)]
    return wave.numpy(), after.clamp(-1, 1).numpy()


def _write(target: Path, after: np.ndarray, files: Files) -> None:
    """Whole or not at all."""
    temporary = target.with_name(f".{target.name}")
    if isinstance(files.codec, Pixels):
        Image.fromarray(after if after.shape[2] == 3 else after[..., 0]).save(temporary, format="PNG")
    else:
        import soundfile

        soundfile.write(temporary, after, files.codec.rate, subtype="PCM_16", format="WAV")
    temporary.rename(target)
