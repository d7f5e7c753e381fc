"""Restore samples, or files: corrupted images, recordings or videos in, clean ones out."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_pipeline.api import Run
from ssl_pipeline.commands.runs import folder_of, open_model
from ssl_pipeline.utils.places import existing
from ssl_pipeline.utils.signatures import checked

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ssl_pipeline.inference.files.reader import Files
    from ssl_pipeline.inference.files.restorer import FileRestorer
    from ssl_pipeline.inference.model import Model
    from ssl_pipeline.inference.recognizer import Happened

SHEET, FOUND = "before_and_after.png", "found.csv"
FILES_ON_SHEET = 8


@checked
def restore(
    run: str | Path | Run | Model,
    source: str | Path | Tensor | np.ndarray | Sequence[Any],
    out: str | Path | None = None,
    view: str = "unknown",
    mask: str | Path | Tensor | np.ndarray | None = None,
    device: str = "auto",
    set: str | None = None,
    trust: tuple[str, ...] = (),
) -> Path | Tensor:
    """Restore each file of a folder into one of the same name in another, with a sheet of some; in Python also samples.

    Of a run that has learned to tell it, a table says what was found in each file, and what is unlike the training's.

    What is larger or longer than the model's samples is restored window by window, one fading into the next: a model
    should have learned from pieces of that scale, and not from whole pictures made small. Files that are there already
    are not made again, so the same call goes on where it was stopped.

    Args:
        run: folder of the run, or of an exported restorer; in Python also a Run or a Model.
        source: folder of images, recordings or videos, or one of them; in Python also samples, as Model.restore takes
            them, which come back restored. A video is restored as a whole in memory.
        out: folder of the restored ones: PNG, WAV of 16 bits or lossless MKV (FFV1), at the model's rate.
        view: their corruption, as the run names it; unknown where nobody says.
        mask: of a masked view, images that are bright where a place is hidden: a folder with one for each image, of the
            same name, or one image for all; of samples a tensor, True where a place is hidden.
        device: cpu, cuda ... or auto.
        set: name of the data set whose model is wanted, of a run on several.
        trust: packages of your own whose classes the run may name, with commas between them.
    """
    if not isinstance(source, str | Path):
        if out is not None or isinstance(mask, str | Path):
            raise ValueError("samples in memory are restored in memory: leave out out=, and give mask= as a tensor")
        return open_model(run, set, trust, device).restore(source, view, mask)
    from ssl_pipeline.inference.files.manifest import begin_results, maker_of
    from ssl_pipeline.inference.files.reader import files_of
    from ssl_pipeline.inference.files.restorer import FileRestorer

    source = existing(Path(source))
    folder = _place(out, mask)
    model = open_model(run, set, trust, device)
    restorer = FileRestorer(model, files_of(model, source), view, None if mask is None else Path(str(mask)))
    targets = _targets(restorer, source, folder)
    made = maker_of(model, folder_of(run)) | {"view": view, "source": str(restorer.files.root.resolve()), "set": set}
    made |= {"mask": mask and str(Path(str(mask)).resolve())}
    begin_results(folder, "restore.json", made, f"*{restorer.ending}")
    _restore_all(restorer, targets, folder)
    return folder


def _place(out: str | Path | None, mask: Any) -> Path:
    """The folder of what is restored.

    Raises:
        ValueError: none is named, or a mask that is no file.
    """
    if out is None:
        raise ValueError("expected out=..., a folder for the restored files")
    if mask is not None and not isinstance(mask, str | Path):
        raise ValueError("expected the masks of files as images, got an array: name a folder or an image")
    return Path(out)


def _targets(restorer: FileRestorer, source: Path, out: Path) -> dict[Path, Path]:
    """Where each file goes.

    Raises:
        ValueError: two of them to one place, or one to where it came from.
    """
    files: Files = restorer.files
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"out={out} lies in source={source}, so that results would be restored again: take another")
    targets = {file: file.with_suffix(restorer.ending) for file in files.files}
    names = Counter([*targets.values(), Path(SHEET)])
    if twice := [str(name) for name, count in names.items() if count > 1]:
        raise ValueError(f"{twice[0]} would be written twice: rename one of the files that come out under this name")
    same = [file for file, target in targets.items() if (out / target).resolve() == (files.root / file).resolve()]
    if same:
        raise ValueError(f"out={out} would put the restored {same[0]} in its own place: take another folder")
    return {file: out / target for file, target in targets.items()}


def _restore_all(restorer: FileRestorer, targets: dict[Path, Path], out: Path) -> None:
    """Restore what is not there yet, say what was found, draw the sheet, and name what was left out."""
    from tqdm import tqdm

    from ssl_pipeline.report.before_after import before_and_after

    for file, target in tqdm(targets.items(), unit=" files"):
        if not target.is_file():
            restorer.restore(file, target)
            if file in restorer.happened:
                _note(file, restorer.happened[file], out / FOUND)
    _warn_of_novel(restorer.happened)
    done = [file for file, target in targets.items() if target.is_file()][:FILES_ON_SHEET]
    if done:
        shown = [(file.as_posix(), restorer.before(file), restorer.after(targets[file])) for file in done]
        try:
            before_and_after(shown, out / SHEET, restorer.files.sound)
        except ModuleNotFoundError as error:
            warnings.warn(f"{error}", stacklevel=3)
    restorer.files.check(out)


def _note(file: Path, happened: Happened, table: Path) -> None:
    """A line of the table; of a file that was restored again, another one."""
    new = not table.is_file()
    with table.open("a", newline="") as opened:
        lines = csv.writer(opened)
        if new:
            lines.writerow(["file", "happened", "novelty"])
        lines.writerow([file.as_posix(), happened.said(), f"{happened.novelty.item():.2f}"])


def _warn_of_novel(happened: Mapping[Path, Happened]) -> None:
    novelty = {file: one.novelty.item() for file, one in happened.items() if one.novelty > 1}
    if novelty:
        most = max(novelty, key=lambda file: novelty[file])
        warnings.warn(
            f"{len(novelty):,} of {len(happened):,} files are unlike what this model has learned from, most of all "
            f"{most} (novelty {novelty[most]:.1f}, where 1 is rare): look at what it made of them, see {FOUND}",
            stacklevel=4,
        )
