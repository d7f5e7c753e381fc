"""Any folder of images, with or without class folders."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Dataset, Subset, holdout
from ssl_pipeline.data.cache.images import decoded_files
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.folders.sources import sources_of
from ssl_pipeline.data.folders.tree import Tree
from ssl_pipeline.data.io.unreadable import Unreadable
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.options import Cache, Options, Split, UnreadableFiles
from ssl_pipeline.data.wrappers.foreground import FOREGROUND, WithForeground, foreground_spec, masks_of

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm")


@register("data", "folder", settled={"cache.folder": None})
def folder(
    root: str,
    size: int = 64,
    channels: int = 3,
    labels: bool | str = "auto",
    source: str = "file",
    split: Split | Options = Split(),
    unreadable: UnreadableFiles | Options = UnreadableFiles(),
    cache: Cache | Options = Cache(),
    masks: str | None = None,
) -> Data:
    """A tree of images; its top-level folders are classes, or ``train`` and ``test`` (or ``val``), or mean nothing.

    Args:
        root: the folder.
        size: height and width in pixels: the shorter side is resized to it, the centre cropped.
        channels: 3, or 1 for grey.
        labels: take the top-level folders as classes; "auto": where every image lies in one and there are at least two.
        source: what stays on one side of the split: file, folder, prefix or a regular expression, see ``sources_of``.
        split: which images are held out.
        unreadable: what happens to files that cannot be read.
        cache: how they are decoded and kept.
        masks: folder of images whose bright half is the foreground, one for each image, of its name and size; probes
            then also see images on other backgrounds.

    Raises:
        FileNotFoundError: no such folder, no image in it, or no mask of an image.
        NotADirectoryError: a file.
        ValueError: too many unreadable files, no classes where ``labels=true``, no such size, a file that names no
            source, or a mask that does not fit its image.
    """
    split, unreadable, cache = Split.of(split), UnreadableFiles.of(unreadable), Cache.of(cache)
    codec, path = Pixels(size, channels), Path(root).expanduser()
    tree = Tree.of(path, IMAGE_ENDINGS, labels)
    sources = None if source == "file" else sources_of(tree.files, source, tree.classes)

    def load(part: str) -> Dataset:
        paths = tree.paths(part)
        mask_files = None if masks is None else masks_of(paths, path, Path(masks).expanduser())
        dataset, failed = decode(paths, channels, tree.labels(part))
        number, names = (dataset.sources, dataset.paths) if sources is None else (sources.numbers[part], sources.names)
        dataset = dataset.of_sources(number, names, [file.relative_to(path).as_posix() for file in paths])
        if mask_files is not None:
            known, lost = decode(mask_files, 1, None)
            dataset, failed = WithForeground(dataset, known), {**failed, **lost}
        return Subset(dataset, [i for i in range(len(paths)) if i not in failed]) if failed else dataset

    def decode(paths: list[Path], channels: int, labels: Tensor | None) -> tuple[MemoryDataset, Unreadable]:
        found = decoded_files(paths, size, channels, cache, unreadable.limit)
        return found.dataset(labels, paths=tuple(map(str, paths))), found.troubles.unreadable

    train = load("train")
    train, test = (train, load("test")) if tree.has_test else holdout(train, split.holdout, split.seed)
    columns = {} if masks is None else {FOREGROUND: foreground_spec(size)}
    return Data(codec.grid, train, test, tree.classes, tree.name, codec, columns=columns)
