"""Collections of quotations in the format of the ``fortune`` program."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data
from ssl_pipeline.data.io.documents import Documents, text_data
from ssl_pipeline.data.options import Options, Split, TextWindows
from ssl_pipeline.utils.errors import nearest

_INDEXES = (".dat", ".u8", ".pdat")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")  # colours of a terminal
_SIGNED = re.compile(r"\s*--\s*([^\s-].*)")
_FAR = 4  # columns
_WRITTEN_BY = re.compile(r"作者\s*[:：]\s*(.+)")  # Chinese collections name the author in a line of this form
_NOBODY = {"", "anon", "anonymous", "unknown", "author unknown", "anónimo", "anonimo", "неизвестный автор", "佚名"}


class Quotation(NamedTuple):
    """One quotation: its text, who is named below it, and the file that it stands in."""

    text: str
    author: str | None
    file: str


@register("data", "fortunes")
def fortunes(
    root: str,
    length: int = 256,
    windows: TextWindows | Options = TextWindows(),
    tokens: str = "bytes",
    vocab_size: int = 4096,
    files: Sequence[str] | None = None,
    recursive: bool = False,
    authors: bool = False,
    min_records: int = 1,
    split: Split | Options = Split(),
) -> Data:
    """Files of records parted by lines that hold ``%``; the file is the class, the author the source.

    The line that names the author is taken out of the text, so that only their style shows that two
    quotations are by the same author. A record without an author, or with several, is a source of its own. A record
    that stands there twice counts once.

    Args:
        root: the folder.
        length: symbols in a window.
        windows: how the texts are cut.
        tokens: "bytes", or "bpe" for pairs of bytes merged as often as they occur in the training part.
        vocab_size: symbols in all, where pairs are merged.
        files: names of those to read, such as [art, science]; None: all.
        recursive: read the folders below as well, as classes such as "de/zitate"; but none called "off".
        authors: keep only records whose author has at least two.
        min_records: files with fewer are left out.
        split: which authors, and records without one, are held out.

    Raises:
        FileNotFoundError: no such folder, or no such file in it.
        ValueError: no records are left, or an option outside its bounds.
    """
    windows, split = TextWindows.of(windows), Split.of(split)
    path = Path(root).expanduser()
    records = _wanted(_asked(list_collections(path, recursive), files, root), authors, min_records, root)
    classes = tuple(sorted({record.file for record in records}))
    label = {name: number for number, name in enumerate(classes)}
    number: dict[str | int, int] = {}
    source = [number.setdefault(record.author or i, len(number)) for i, record in enumerate(records)]
    documents = Documents(
        [record.text for record in records],
        torch.tensor(source),
        torch.tensor([label[record.file] for record in records]),
    )
    train, test = documents.set_aside(split)
    return text_data(
        path.resolve().name,
        train,
        test,
        length=length,
        windows=windows,
        tokens=tokens,
        vocab_size=vocab_size,
        classes=classes,
    )


def _asked(found: dict[str, Path], files: Sequence[str] | None, root: str) -> dict[str, Path]:
    """The collections of these names; None: all."""
    if files is None:
        return found
    if unknown := [name for name in files if name not in found]:
        raise FileNotFoundError(f"there is no collection {unknown[0]!r} in {root!r}; {nearest(unknown[0], found)}")
    return {name: found[name] for name in files}


def _wanted(found: dict[str, Path], authors: bool, min_records: int, root: str) -> list[Quotation]:
    """The records of files that have enough of them; with ``authors`` those whose author has at least two."""
    records = list(read_records(found))
    if authors:
        by = Counter(record.author for record in records if record.author)
        records = [record for record in records if record.author and by[record.author] > 1]
    size = Counter(record.file for record in records)
    records = [record for record in records if size[record.file] >= min_records]
    if not records:
        raise ValueError(
            f"no records are left of the {len(found)} collections in {root!r}: "
            f"set data.root to a folder of files parted by lines of %, or lower "
            f"data.min_records={min_records}, data.authors={authors}"
        )
    return records


def list_collections(root: Path, recursive: bool) -> dict[str, Path]:
    """Collections by name, in order; indexes and hidden files are none, and links within ``root`` are followed once.

    Raises:
        FileNotFoundError: no such folder, or nothing in it.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {str(root)!r}: set data.root to a folder of fortune files")
    found: dict[str, Path] = {}
    seen = set()
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if recursive and name[0] != "." and name != "off")
        for name in sorted(names):
            file = Path(place, name)
            real = file.resolve()
            # The Italian files, for one, lie in "it" and have links next to the English ones.
            alias = file.is_symlink() and real.is_relative_to(root.resolve())
            if name[0] == "." or name.endswith(_INDEXES) or alias or real in seen or not real.is_file():
                continue
            seen.add(real)
            found[file.relative_to(root).as_posix().removesuffix(".fortunes")] = file
    if not found:
        raise FileNotFoundError(
            f"there is no collection in {str(root)!r}: expected files of records parted by lines of %; "
            f"for those in the folders below it set data.recursive=true"
        )
    return dict(sorted(found.items()))


def read_records(files: dict[str, Path]) -> Iterator[Quotation]:
    """Records of the files, each text once, without the blank ones; bytes that are no UTF-8 are replaced."""
    seen = set()
    for name, path in files.items():
        for raw in re.split(r"(?m)^%\s*$", path.read_text(encoding="utf-8", errors="replace")):
            text, author = sign(_ESCAPES.sub("", raw))
            if (key := " ".join(text.casefold().split())) and key not in seen:
                seen.add(key)
                yield Quotation(text, author, name)


def sign(record: str) -> tuple[str, str | None]:
    r"""The text without the lines that name its author, and that author; None where there are none or several.

    A line ``-- NAME`` names the author where it is far indented. Elsewhere it may be a dialogue, so it must stand at
    the very end, but for lines indented more, which go with it.

    >>> sign("To be.\n\t\t-- Wm. Shakespeare,\n\t\t   \"Hamlet\"\n")
    ('To be.', 'wm. shakespeare')
    >>> sign("-- no, he said\nand left.")
    ('-- no, he said\nand left.', None)
    """
    lines = record.strip("\n").rstrip().split("\n")
    kept, names = [], set()
    depth = -1  # indent of the signature that is being read
    for i, line in enumerate(lines):
        indent = _indent(line)
        found = _SIGNED.fullmatch(line)
        if not found and line.strip() and depth >= 0 and (indent > depth or indent == depth >= _FAR):
            continue
        depth = -1
        if written := _WRITTEN_BY.fullmatch(line.strip()):
            names.add(author_name(written[1]))
        elif found and (indent >= _FAR or all(_indent(after) > indent for after in lines[i + 1 :])):
            names.add(author_name(found[1]))
            depth = indent
        else:
            kept.append(line)
    author = names.pop() if len(names) == 1 else None
    return "\n".join(kept).strip("\n").rstrip(), None if author in _NOBODY else author


def _indent(line: str) -> int:
    line = line.expandtabs()
    return len(line) - len(line.lstrip())


def author_name(line: str) -> str:
    """Name before the first comma, quote, bracket or year, in small letters; of a work without author, its title.

    >>> author_name('Oscar  Wilde, "The Critic as Artist"'), author_name("Steve Jobs (1955-2011)")
    ('oscar wilde', 'steve jobs')
    >>> author_name('"The Rockford Files"'), author_name('Larry Wall in <199709>')
    ('the rockford files', 'larry wall')
    """
    line = re.sub(r"^\s*(by\s+)?[\"“„«_*\s]*", "", line, flags=re.IGNORECASE)
    name = re.split(r"[,;\"“”„«»()（）\[\]<>{}_:]|\s-+\s|\d{3,}", line)[0]
    return re.sub(r"\s(in|on|to|from)$", "", " ".join(name.casefold().split()).rstrip(". "))
