"""Restore files: corrupted images, recordings or videos in, clean ones out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad
from tqdm import tqdm

from ssl_pipeline.cli.commands.files import Files, device_of, files_of
from ssl_pipeline.cli.commands.manifest import begin, weights_of
from ssl_pipeline.cli.commands.sheet import before_and_after
from ssl_pipeline.cli.commands.windows import restored
from ssl_pipeline.data import LogMel, Waveform
from ssl_pipeline.data.codecs.image import upright
from ssl_pipeline.data.codecs.log_mel import log_mel_spectrogram
from ssl_pipeline.data.codecs.video import Clips
from ssl_pipeline.data.io.sound import read_sound
from ssl_pipeline.data.io.video_frames import frames_of, write_frames
from ssl_pipeline.inference.load import load
from ssl_pipeline.inference.model import Model

SHEET = "before_and_after.png"
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
    trust: tuple[str, ...] = (),
) -> None:
    """Restore each file of a folder into a file of the same name in another folder, with a sheet of some of them.

    What is larger or longer than the model's samples is restored window by window, one fading into the next: a model
    should have learned from pieces of that scale, and not from whole pictures made small. Files that are there already
    are not made again, so the same command goes on where it was stopped.

    Args:
        run: folder of the run, or of an exported restorer.
        view: their corruption, as the run names it.
        source: folder of images, recordings or videos, or one of them. A video is restored as a whole in memory.
        out: folder of the restored ones: PNG, WAV of 16 bits or lossless MKV (FFV1), at the model's rate.
        holes: for a view with holes, images whose bright half says where they are: a folder with one for each image,
            of the same name, or one image for all.
        device: cpu, cuda ... or auto.
        set: name of the data set whose model is wanted, of a run on several.
        trust: packages of your own whose classes the run may name, with commas between them.
    """
    model = load(run, set, trust=trust).to(device_of(device))
    part = model.part(f"restorer:{view}")
    files = files_of(model, source)
    if "mask" in part.inputs and (files.sound or files.video):
        raise ValueError(
            f"view {view} has holes, and of recordings and videos it cannot be said where: call Model.restore"
        )
    if ("mask" in part.inputs) != (holes is not None):
        raise ValueError(f"view {view} has holes: set holes=..." if holes is None else f"view {view} has no holes")
    if holes is not None and not holes.exists():
        raise FileNotFoundError(f"there is no holes={holes}: name an image for all, or a folder with one for each")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"out={out} lies in source={source}, so that results would be restored again: take another")
    ending = ".wav" if files.sound else ".mkv" if files.video else ".png"
    targets = {file: file.with_suffix(ending) for file in files.files}
    names = Counter([*targets.values(), Path(SHEET)])
    if twice := [str(name) for name, count in names.items() if count > 1]:
        raise ValueError(f"{twice[0]} would be written twice: rename one of the files that come out under this name")
    same = [file for file, target in targets.items() if (out / target).resolve() == (files.root / file).resolve()]
    if same:
        raise ValueError(f"out={out} would put the restored {same[0]} in its own place: take another folder")
    made = {"run": str(run.resolve()), "weights": weights_of(run), "view": view, "source": str(files.root.resolve())}
    made |= {"holes": holes and str(holes.resolve()), "set": set}
    begin(out, "restore.json", made, f"*{ending}")
    for file, target in tqdm(targets.items(), unit=" files"):
        if (out / target).is_file():
            continue
        if files.video:
            after = _video(model, files, file, view)
        else:
            after = _sound(model, files, file, view) if files.sound else _image(model, files, file, view, holes)
        if after is not None:
            (out / target).parent.mkdir(parents=True, exist_ok=True)
            _write(out / target, after, files)
    done = [file for file, target in targets.items() if (out / target).is_file()]
    print(f"{len(done):,} files in {out}")
    if done:
        shown = [(file.as_posix(), _shown(files, file), _result(files, out / targets[file])) for file in done[:SHOWN]]
        before_and_after(shown, out / SHEET, files.sound)
    files.check(out)


def _image(model: Model, files: Files, file: Path, view: str, holes: Path | None) -> np.ndarray | None:
    """A restored image, (H, W, C) of 8 bits; None where it is left out."""
    size = model.grid.shape
    if (image := files.image(file)) is None:
        return None
    hole = None if holes is None else files.tried(lambda: _hole(holes, file, image.size), file)
    if holes is not None and hole is None:
        return None
    pixels = np.array(image).reshape(image.height, image.width, model.grid.width)

    def windows(some: Tensor, places: list[tuple[slice, ...]]) -> Tensor:
        mask = None if hole is None else torch.stack([hole[place] for place in places])
        return model.restore(some, view, mask)

    x, more = torch.from_numpy(pixels.transpose(2, 0, 1)), _lacking(image, size)
    hole = None if hole is None else pad(hole[None].float(), more).bool()[0]
    x = pad(x[None].float(), more, mode="replicate")[0].to(torch.uint8)  # a small image goes on as it ends
    after = restored(x, size, windows)[:, : image.height, : image.width]
    return (after.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def _video(model: Model, files: Files, file: Path, view: str) -> np.ndarray | None:
    """A restored video, (T, H, W, C) of 8 bits at the model's rate; None where it is left out."""
    if (frames := files.frames(file)) is None:
        return None
    x = torch.from_numpy(frames).movedim(-1, 0)
    time, high, wide = x.shape[1:]
    lacking = [max(0, n - have) for n, have in zip(model.grid.shape, x.shape[1:], strict=True)]
    x = pad(x[None].float(), (0, lacking[2], 0, lacking[1], 0, lacking[0]), mode="replicate")[0].to(torch.uint8)
    after = restored(x, model.grid.shape, lambda some, _: model.restore(some, view))[:, :time, :high, :wide]
    return (after.clamp(0, 1) * 255).round().to(torch.uint8).movedim(0, -1).numpy()


def _lacking(image: Image.Image, size: Sequence[int]) -> tuple[int, int, int, int]:
    """Columns and rows that an image lacks of a model's samples, as ``pad`` takes them."""
    return 0, max(0, size[1] - image.width), 0, max(0, size[0] - image.height)


def _hole(holes: Path, file: Path, size: tuple[int, int]) -> Tensor:
    """Where an image has holes, (H, W).

    Raises:
        ValueError: it is not known, or not of the image's size.
    """
    found = holes
    if holes.is_dir():
        place = holes / file.parent
        named = [one for one in place.iterdir() if one.stem == file.stem] if place.is_dir() else []
        if len(named) != 1:
            raise ValueError(f"expected one image of its holes in {place}, got {len(named)}")
        found = named[0]
    with Image.open(found) as image:
        if image.size != size:
            raise ValueError(f"{found} has {image.width}x{image.height} pixels, and the image {size[0]}x{size[1]}")
        return torch.from_numpy(np.array(upright(image, 1)) > 127)


def _sound(model: Model, files: Files, file: Path, view: str) -> np.ndarray | None:
    """A restored recording, between -1 and 1 at the model's rate; None where it is left out."""
    codec = files.codec
    assert isinstance(codec, (Waveform, LogMel))
    if (wave := files.wave(file)) is None:
        return None

    if len(wave) < codec.samples:
        x, valid = codec.encode([wave])
        after = codec.decode(model.restore(x, view, valid=valid).cpu())[0]
    else:  # one spectrogram of the whole, so that its phases are guessed once and fit each other
        whole = wave[None] if isinstance(codec, Waveform) else log_mel_spectrogram(wave[None], codec.spectrum)
        after = restored(whole, model.grid.shape, lambda some, _: model.restore(some, view))
        after = codec.decode(after[None])[0]
    return pad(after, (0, max(0, len(wave) - len(after))))[: len(wave)].clamp(-1, 1).numpy()


def _write(target: Path, after: np.ndarray, files: Files) -> None:
    """Whole or not at all."""
    temporary = target.with_name(f".{target.name}")
    if isinstance(files.codec, Clips):
        write_frames(temporary, after, files.codec.fps)
    elif not files.sound:
        Image.fromarray(after if after.shape[2] == 3 else after[..., 0]).save(temporary, format="PNG")
    else:
        assert isinstance(files.codec, (Waveform, LogMel))
        import soundfile

        soundfile.write(temporary, after, files.codec.rate, subtype="PCM_16", format="WAV")
    temporary.rename(target)


def _shown(files: Files, file: Path) -> np.ndarray:
    """What came in, for the sheet."""
    if files.video:
        frames = files.frames(file)
        return np.zeros((1, 1, 1)) if frames is None else frames[len(frames) // 2]
    found = files.wave(file) if files.sound else files.image(file)
    return np.zeros(1) if found is None else np.asarray(found)


def _result(files: Files, target: Path) -> np.ndarray:
    """What went out, for the sheet."""
    if files.sound:
        return read_sound(target).wave.numpy()
    if isinstance(files.codec, Clips):
        frames = [*frames_of(target, files.codec.fps, files.codec.channels)]
        return frames[len(frames) // 2]
    with Image.open(target) as image:
        return np.asarray(image)
