"""Embed samples, a data set or a folder of files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_pipeline.api import Run
from ssl_pipeline.commands.runs import folder_of, open_model
from ssl_pipeline.config.overrides import OptionsLike, overrides_of
from ssl_pipeline.utils.places import existing, writable
from ssl_pipeline.utils.signatures import checked

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ssl_pipeline.inference.files.rows import RowSource
    from ssl_pipeline.inference.model import Model


@checked
def embed(
    run: str | Path | Run | Model,
    source: str | Path | Tensor | np.ndarray | Sequence[Any] | None = None,
    out: str | Path | None = None,
    data: Any = None,
    options: OptionsLike | None = None,
    split: str = "test",
    view: str = "unknown",
    teacher: bool = False,
    batch_size: int = 256,
    device: str = "auto",
    limit: int | None = None,
    rows_per_file: int = 10_000,
    set: str | None = None,
    trust: tuple[str, ...] = (),
    labels: Any = None,
) -> Path | Tensor:
    """Embeddings of a data set or of a folder of files, as Parquet or NPZ; in Python also of samples, as (B, D).

    Samples are read, embedded and written part by part; the same call goes on where it was stopped (not NPZ).

    Args:
        run: folder of the run, or of an exported encoder; in Python also a Run or a Model.
        source: folder of images, recordings, videos or texts; in Python also samples, as Model.embed takes them. An
            image has its file name as id; recordings, videos and texts are cut into windows, FILE@SECOND or
            FILE@SYMBOL. Files that cannot be read are named and left out.
        out: a folder for Parquet files with columns id, embedding and, where known, source, path, label and
            label_name, which pandas.read_parquet(FOLDER) reads; or FILE.npz. Images of a data set have their file names
            as ids, other samples PART/NUMBER.
        data: another data set than the run's own, by name, data.root=... as in training; in Python also a folder or
            whatever pretrain takes.
        options: of the data set, in Python: {"data.root": ...}.
        split: train, test or all of a data set.
        view: their corruption; none by default.
        teacher: embed with the slow copy of the encoder.
        batch_size: samples in a pass.
        device: cpu, cuda ... or auto.
        limit: number of samples at most.
        rows_per_file: of Parquet; each file is written whole or not at all.
        set: name of the data set whose model is wanted, of a run on several.
        trust: packages of your own whose classes the run may name, with commas between them.
        labels: in Python, one for each sample of data that is passed itself.
    """
    if source is not None and not isinstance(source, str | Path):
        _refuse(out=out, data=data, options=options, labels=labels)
        return open_model(run, set, trust, device).embed(source, None, batch_size, teacher, view)
    from ssl_pipeline.inference.files.tables import write_table

    if source is not None and (data is not None or options or labels is not None):
        raise ValueError("expected one of source (a folder of files) and data (a data set), got both")
    if source is not None:
        existing(Path(source))
    place = _place(out)
    _check(split, min(batch_size, rows_per_file, 1 if limit is None else limit))
    model = open_model(run, set, trust, device)
    model.part("teacher" if teacher else "encoder", view)
    rows = _rows(model, source, data, options, labels, split, batch_size, limit)
    made = _made(run, model, source, data, options) | {"set": set, "split": split, "view": view, "teacher": teacher}
    encode = partial(model.embed, batch_size=batch_size, teacher=teacher, view=view)
    write_table(place, rows, encode, made | {"rows_per_file": rows_per_file}, rows_per_file)
    return place


def _refuse(**given: Any) -> None:
    """Refuse what is of files and data sets.

    Raises:
        ValueError: something of it is given.
    """
    if names := [f"{name}=" for name, value in given.items() if value is not None]:
        raise ValueError(f"samples in memory give embeddings in memory: leave out {', '.join(names)}")


def _place(out: str | Path | None) -> Path:
    """Where the embeddings go.

    Raises:
        ValueError: nowhere, neither a folder nor an NPZ, or nothing can be written there.
    """
    expected = "expected a folder for Parquet files, or a file ending in .npz"
    if out is None:
        raise ValueError(f"expected out=...: {expected}")
    place = Path(out)
    if place.suffix not in ("", ".npz"):
        raise ValueError(f"out={out}: {expected}")
    if place.suffix == ".npz":
        if place.exists():
            raise ValueError(f"out={out} is there already: take another file, or remove it")
        writable(place, folder=False).parent.mkdir(parents=True, exist_ok=True)
    return place


def _check(split: str, least: int) -> None:
    if split not in ("train", "test", "all"):
        raise ValueError(f"split={split}: expected train, test or all")
    if least < 1:
        raise ValueError("expected batch_size, rows_per_file and limit of at least 1")


def _rows(
    model: Model,
    source: str | Path | None,
    data: Any,
    options: OptionsLike | None,
    labels: Any,
    split: str,
    batch_size: int,
    limit: int | None,
) -> RowSource:
    """Of files, or else of a data set."""
    from ssl_pipeline.inference.dataset import data_of
    from ssl_pipeline.inference.files.reader import files_of
    from ssl_pipeline.inference.files.rows import RowSource, parts_of

    if source is not None:
        return RowSource(files_of(model, Path(source)), batch_size, limit)
    found = data_of(model, data, options, labels)
    return RowSource(parts_of(found, split), batch_size, limit, found.classes)


def _made(
    run: str | Path | Run | Model, model: Model, source: str | Path | None, data: Any, options: OptionsLike | None
) -> dict[str, Any]:
    """What embeddings depend on, in plain values."""
    from ssl_pipeline.data.in_python import description_of
    from ssl_pipeline.inference.files.manifest import maker_of

    name = data and str(data) if isinstance(data, str | Path | None) else getattr(data, "name", description_of(data))
    where = None if source is None else str(Path(source).resolve())
    return maker_of(model, folder_of(run)) | {"source": where, "data": [name, *overrides_of(options)]}
