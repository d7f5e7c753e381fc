"""Any tree of text files, or a single one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data
from ssl_pipeline.data.folders.tree import Tree, choose_classes
from ssl_pipeline.data.io.documents import Documents, text_data
from ssl_pipeline.data.io.unreadable import check_unreadable
from ssl_pipeline.data.options import Options, Split, TextWindows, UnreadableFiles

TEXT_ENDINGS = (
    *(".txt", ".text", ".md", ".markdown", ".rst", ".org", ".adoc", ".tex", ".srt", ".csv", ".tsv", ".log"),
    *(".html", ".htm", ".xml", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".css", ".sql", ".sh"),
    *(".py", ".pyi", ".c", ".h", ".cc", ".cpp", ".hpp", ".cu", ".rs", ".go", ".java", ".kt", ".scala", ".js", ".ts"),
    *(".rb", ".pl", ".lua", ".r", ".jl", ".hs", ".ml", ".swift"),
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@register("data", "text_files")
def text_files(
    root: str,
    length: int = 256,
    windows: TextWindows | Options = TextWindows(),
    tokens: str = "bytes",
    vocab_size: int = 4096,
    endings: Sequence[str] | None = None,
    labels: bool | str = "auto",
    invalid: str = "keep",
    split: Split | Options = Split(),
    unreadable: UnreadableFiles | Options = UnreadableFiles(),
) -> Data:
    """A tree of texts, a source each; its top-level folders are classes, or ``train`` and ``test``, or mean nothing.

    Args:
        root: the folder; or one file, whose last part is then what is set aside.
        length: symbols in a window.
        windows: how the texts are cut.
        tokens: "bytes", or "bpe" for pairs of bytes merged as often as they occur in the training part.
        vocab_size: symbols in all, where pairs are merged.
        endings: of the files to read, such as [.txt, .md]; those of common texts and programs by default.
        labels: take the top-level folders as classes; "auto": where every file lies in one and there are at least two.
        invalid: files that are not UTF-8: "keep" their bytes (replacement characters where pairs are merged),
            "skip" them, or "error".
        split: which files are held out.
        unreadable: what happens to files that cannot be read, or hold zero bytes, as texts never do.

    Raises:
        FileNotFoundError: no such folder, or no file with such an ending in it.
        ValueError: too many unreadable files, files that are not UTF-8 where ``invalid="error"``, no classes where
            ``labels=true``, or another option outside its bounds.
    """
    windows, split, unreadable = TextWindows.of(windows), Split.of(split), UnreadableFiles.of(unreadable)
    if invalid not in ("keep", "skip", "error"):
        raise ValueError(f"expected invalid to be keep, skip or error, got {invalid!r}")
    path = Path(root).expanduser()
    tree = _tree(path, TEXT_ENDINGS if endings is None else tuple(ending.lower() for ending in endings), labels)

    def load(part: str, first: int = 0) -> Documents:
        texts, kept = read_texts(tree.paths(part), unreadable.limit, invalid)
        label, source = tree.labels(part), torch.arange(first, first + len(texts))
        return Documents(texts, source, None if label is None else label[kept])

    train = load("train")
    if tree.has_test:
        test = load("test", first=len(train.texts))
    elif path.is_file():
        train, test = split_text(train.texts[0], split.holdout)
    else:
        train, test = train.set_aside(split)
    return text_data(
        tree.name,
        train,
        test,
        length=length,
        windows=windows,
        tokens=tokens,
        vocab_size=vocab_size,
        classes=tree.classes,
    )


def _tree(path: Path, endings: tuple[str, ...], labels: bool | str) -> Tree:
    """The texts of a folder, or the one."""
    if not path.is_file():
        advice = "set data.root to another folder, or endings to those of its files, such as [.txt,.md]"
        return Tree.of(path, endings, labels, "text", advice)
    files = {"train": [Path(path.name)]}
    return Tree(path.resolve().stem, files, {"train": path.parent}, choose_classes(files, labels, str(path), "text"))


def read_texts(paths: Sequence[Path], limit: float | int, invalid: str) -> tuple[list[bytes], list[int]]:
    """Contents of the files, and which of them they are; blank ones are left out.

    Raises:
        ValueError: a larger fraction than ``limit`` is unreadable, all are blank, or one is not UTF-8 where
            ``invalid="error"``.
    """
    found: dict[int, bytes] = {}
    failed: dict[int, str] = {}
    blank, odd = [], []
    for i, path in enumerate(paths):
        try:
            text = read_text(path)
        except (OSError, ValueError) as error:
            failed[i] = getattr(error, "strerror", None) or str(error)
            continue
        if not text.strip():
            blank.append(i)
        else:
            if not _is_utf8(text):
                odd.append(i)
            found[i] = text
    check_unreadable(paths, failed, limit, "text")
    if odd:
        count = f"{len(odd)} of {len(paths)} texts are not UTF-8: {_some(paths, odd)}"
        if invalid == "error":
            raise ValueError(f"{count}: convert them, or set data.invalid to keep or skip")
        warnings.warn(f"{count}; {'they are left out' if invalid == 'skip' else 'kept as they are'}", stacklevel=4)
    if blank:
        warnings.warn(f"{len(blank)} of {len(paths)} texts are empty: {_some(paths, blank)}; left out", stacklevel=4)
    kept = [i for i in found if invalid != "skip" or i not in odd]
    if not kept:
        raise ValueError(
            f"none of the {len(paths)} texts in {str(paths[0].parent)!r} can be used: set data.root to others"
        )
    return [found[i] for i in kept], kept


def read_text(path: Path) -> bytes:
    """The bytes of a text, without a mark of their order.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds zero bytes, as texts never do.
    """
    text = path.read_bytes().removeprefix(_BYTE_ORDER_MARK)
    if b"\0" in text:
        raise ValueError("zero bytes, so it is no text in UTF-8")
    return text


def split_text(text: str | bytes, fraction: float | int) -> tuple[Documents, Documents | None]:
    """The beginning of a text, and its last part, as two sources.

    Raises:
        ValueError: ``fraction`` outside [0, 1), or a part without text.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"expected a held-out fraction from 0 up to, not including, 1, got {fraction}")
    if fraction == 0:
        return Documents([text], torch.tensor([0])), None
    text = text.encode() if isinstance(text, str) else text
    place = round(len(text) * (1 - fraction))
    nearby = max(place - 1000, 0)
    line, word = text.rfind(b"\n", nearby, place) + 1, text.rfind(b" ", nearby, place) + 1
    place = line or word or _character(text, place)
    parts = text[:place], text[place:]
    if not all(part.strip() for part in parts):
        raise ValueError(
            f"a text of {len(text)} bytes cannot be split with split.holdout={fraction}: set split.holdout=0"
        )
    return Documents([parts[0]], torch.tensor([0])), Documents([parts[1]], torch.tensor([1]))


def _character(text: bytes, place: int) -> int:
    """The last start of a character of UTF-8 up to ``place``."""
    return next((p for p in range(place, max(place - 4, 0), -1) if not b"\x80" <= text[p : p + 1] < b"\xc0"), place)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _some(paths: Sequence[Path], which: list[int]) -> str:
    return ", ".join(str(paths[i]) for i in which[:3]) + (", …" if len(which) > 3 else "")
