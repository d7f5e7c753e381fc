"""A text for each sample of another data set: the name of its class, of its file, or what a list says of it."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import ColumnSpec, Data, Dataset, Index, Stream, Subset
from ssl_pipeline.data.codecs.text import Bytes
from ssl_pipeline.structures.batch import Batch, Column
from ssl_pipeline.utils.errors import nearest


class Joined:
    """A data set with one more column, whose rows may serve several samples.

    Args:
        dataset: the samples.
        name: of the column.
        rows: of the column.
        which: row of each sample.
    """

    def __init__(self, dataset: Dataset, name: str, rows: Column, which: Int64[Tensor, "N"]) -> None:
        self.dataset, self.name, self.rows, self.which = dataset, name, rows, which
        self.labels, self.sources = dataset.labels, dataset.sources

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Index) -> Batch:
        batch, which = self.dataset[index], self.which[torch.as_tensor(index, dtype=torch.int64)]
        return batch._replace(columns={**batch.columns, self.name: self.rows.of(lambda rows: rows[which])})


@register("data", "captioned", parts={"of": "data"})
def captioned(of: Data, text: str = "class", length: int = 32, template: str = "{}") -> Data:
    """A data set whose samples have a column ``text``.

    Args:
        of: the data set.
        text: "class" for the name of a sample's class; "file" for that of its file, without folders and ending, its
            words parted by spaces; "column:NAME" for a column of ``data=hf``; or the path of a list, plain or ``.gz``,
            of lines "NAME: TEXT", or with a tabulator between the two. NAME is the end of a file's path, with or
            without its ending, such as ``digits/1``.
        length: bytes of a text, its end included; longer ones are cut.
        template: what stands round the text, which takes the place of ``{}``.

    Raises:
        ValueError: no such names, a file that the list does not name, a template without ``{}``, or a stream.
        FileNotFoundError: there is no such list.

    >>> from ssl_pipeline.data.named.digits import digits
    >>> batch = captioned(digits(), length=12, template="a {}").test[[0]]
    >>> Bytes(12).decode(batch.columns["text"].x), batch.label
    (['a 2'], tensor([2]))
    """
    if template.count("{}") != 1:
        raise ValueError(f"template={template!r}: expected {{}} once, where the text goes, as in 'a picture of {{}}'")
    if isinstance(of.train, Stream):
        raise ValueError(f"{of.name} is a stream, whose samples have no numbers to look texts up by: take a data set")
    codec = Bytes(length)
    parts = {part: data for part, data in (("train", of.train), ("test", of.test)) if data is not None}
    made = {part: _joined(data, _texts(of, data, text), codec, template) for part, data in parts.items()}
    return replace(
        of,
        train=made["train"],
        test=made.get("test"),
        name=f"{of.name} with texts",
        columns={**of.columns, "text": ColumnSpec(codec.grid, codec)},
    )


def file_names(dataset: Dataset) -> list[str]:
    """The file behind each sample; empty where a data set knows none."""
    if isinstance(dataset, Subset):
        files = file_names(dataset.dataset)
        return [files[number] for number in dataset.indices.tolist()] if files else []
    if paths := getattr(dataset, "paths", None):
        return [paths[source - getattr(dataset, "first", 0)] for source in dataset.sources.tolist()]
    return list(getattr(dataset, "files", None) or ())  # where several samples are of one source


def column_of(dataset: Dataset, name: str) -> list[str]:
    """A column of the table behind a data set, for each sample.

    Raises:
        ValueError: there is no such table or column.
    """
    table = getattr(dataset, "table", None)
    if table is None and isinstance(dataset, Subset):
        values = column_of(dataset.dataset, name)
        return [values[number] for number in dataset.indices.tolist()]
    if table is None:
        raise ValueError(
            f"data.text=column:{name} is a column of data=hf, and this set has no table: take class or file"
        )
    if name not in table.column_names:
        raise ValueError(f"there is no column {name!r}; {nearest(name, table.column_names)}")
    texts = table.select_columns([name]).with_format("arrow")[:]  # images of the same rows stay on disk
    return ["" if value is None else str(value) for value in texts[name].to_pylist()]


def read_list(file: Path) -> dict[str, str]:
    """Texts by name, from lines "NAME: TEXT" or with a tabulator between the two; others are passed over.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has no such line.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no list {str(file)!r}: give class, file or the path of a list of texts")
    whole = (gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()).decode(errors="replace")
    found = [re.match(r"([^\t:;][^\t:]*)(?:\t|:\s)\s*(\S.*)", line) for line in whole.splitlines()]
    texts = {match[1].strip(): match[2].strip() for match in found if match}
    if not texts:
        raise ValueError(f"{file} has no line 'NAME: TEXT', nor one with a tabulator between the two: write such ones")
    return texts


def _texts(of: Data, dataset: Dataset, text: str) -> list[str]:
    """What is said of each sample."""
    if text == "class":
        if of.classes is None or dataset.labels is None:
            raise ValueError(f"{of.name} has no classes to take texts from: set data.text=file, or to a list of texts")
        if unknown := int((dataset.labels < 0).sum()):
            raise ValueError(
                f"{unknown} samples of {of.name} have no class to take texts from: set data.text=file, or to a list"
            )
        return [of.classes[label] for label in dataset.labels.tolist()]
    if text.startswith("column:"):
        return column_of(dataset, text.removeprefix("column:"))
    files = file_names(dataset)
    if not files:
        raise ValueError(f"{of.name} knows no files behind its samples: set data.text=class")
    if text == "file":
        return [re.sub(r"[\W_]+", " ", Path(file).stem).strip() for file in files]
    listed, cache = read_list(Path(text).expanduser()), {}
    return [cache[file] if file in cache else cache.setdefault(file, _listed(file, listed)) for file in files]


def _listed(file: str, listed: Mapping[str, str]) -> str:
    """The text whose name is the longest end of a file's path."""
    path = Path(file)
    ends = ["/".join(path.parts[start:]) for start in range(len(path.parts))]
    for end in ends:
        for name in (end, str(Path(end).with_suffix(""))):
            if name in listed:
                return listed[name]
    raise ValueError(f"the list of texts has none for {file}; {nearest(path.stem, listed)}")


def _joined(dataset: Dataset | Stream, texts: Sequence[str], codec: Bytes, template: str) -> Joined:
    assert not isinstance(dataset, Stream)
    distinct = sorted(set(texts))
    number = {text: row for row, text in enumerate(distinct)}
    rows = Column(*codec.encode([template.replace("{}", text) for text in distinct]))
    return Joined(dataset, "text", rows, torch.tensor([number[text] for text in texts]))
