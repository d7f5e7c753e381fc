"""Any folder of images, with or without class folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Dataset, Subset, holdout
from ssl_pipeline.data.cache.images import decoded_files
from ssl_pipeline.data.cache.tiles import Tiles, tiles_of_files
from ssl_pipeline.data.codecs.image import Pixels, image_grid
from ssl_pipeline.data.folders.sources import sources_of
from ssl_pipeline.data.folders.tree import Tree
from ssl_pipeline.data.io.image_file import open_image
from ssl_pipeline.data.io.pixel_range import range_of
from ssl_pipeline.data.io.value_range import RangeOption
from ssl_pipeline.data.options import Cache, Options, Split, UnreadableFiles
from ssl_pipeline.data.wrappers.foreground import FOREGROUND, WithForeground, foreground_spec, masks_of

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm")

_ADVICE = "set data.root to another folder, or pass arrays (.npy) in Python, sslp.pretrain(array)"


@register("data", "folder", settled={"cache.folder": None})
def folder(
    root: str,
    size: int = 64,
    channels: int = 3,
    range: RangeOption = "auto",
    pages: str = "first",
    labels: bool | str = "auto",
    source: str = "file",
    split: Split | Options = Split(),
    unreadable: UnreadableFiles | Options = UnreadableFiles(),
    cache: Cache | Options = Cache(),
    masks: str | None = None,
    tile: int | None = None,
    stride: int | None = None,
) -> Data:
    """A tree of images; its top-level folders are classes, or ``train`` and ``test`` (or ``val``), or mean nothing.

    Args:
        root: the folder.
        size: height and width in pixels: the shorter side is resized to it, the centre cropped.
        channels: 3, 1 for grey, or 4 for colours and a fourth band, which else is taken as transparency.
        range: least and largest value of files deeper than 8 bits, which become 0 and 1; "auto": those of up to 128
            training files. 8 bits stay as they are; None: all have 8 bits, 16 of them being taken as 0 to 65535.
        pages: the "first" of a file of several, or all of them as "channels".
        labels: take the top-level folders as classes; "auto": where every image lies in one and there are at least two.
        source: what stays on one side of the split: file, folder, prefix or a regular expression, see ``sources_of``.
        split: which images are held out.
        unreadable: what happens to files that cannot be read.
        cache: how they are decoded and kept.
        tile: height and width in pixels of windows that are cut out of the images at full resolution, in place of one
            resized square of each; ``size`` is then not looked at.
        stride: pixels from one tile to the next; None: no overlap.
        masks: folder of images whose bright half is the foreground, one for each image, of its name and size; probes
            then also see images on other backgrounds.

    Raises:
        FileNotFoundError: no such folder, no image in it, or no mask of an image.
        NotADirectoryError: a file.
        ValueError: too many unreadable files, no classes where ``labels=true``, no such size or stride, a file that
            names no source, a mask that does not fit its image, or masks of tiles.
    """
    split, unreadable, cache = Split.of(split), UnreadableFiles.of(unreadable), Cache.of(cache)
    path = Path(root).expanduser()
    step = _step(tile, stride, masks)
    size = size if tile is None else tile
    image_grid(size, channels, pages)  # refuses options before files are looked for
    tree = Tree.of(path, IMAGE_ENDINGS, labels, advice=_ADVICE)
    sources = None if source == "file" else sources_of(tree.files, source, tree.classes)
    files = tree.paths("train")
    bounds = range_of(range, len(files), lambda number: open_image(files[number]), channels, pages, cache.threads)
    codec = Pixels(size, channels, bounds, pages)

    def load(part: str) -> Dataset:
        paths = tree.paths(part)
        if step is not None:
            found = tiles_of_files(paths, codec, step, tree.labels(part), cache, unreadable.limit)
            return _tiles(tree, part, found, sources)
        mask_files = None if masks is None else masks_of(paths, path, Path(masks).expanduser())
        dataset, failed = decoded_files(paths, codec, tree.labels(part), cache, unreadable.limit)
        number, behind = (dataset.sources, dataset.paths) if sources is None else (sources[part], None)
        dataset = dataset.of_sources(number, behind, [file.relative_to(path).as_posix() for file in paths])
        if mask_files is not None:
            known, lost = decoded_files(mask_files, Pixels(size, channels=1), None, cache, unreadable.limit)
            dataset, failed = WithForeground(dataset, known), {**failed, **lost}
        return Subset(dataset, [i for i, _ in enumerate(paths) if i not in failed]) if failed else dataset

    train = load("train")
    train, test = (train, load("test")) if tree.has_test else holdout(train, split.holdout, split.seed)
    columns = {} if masks is None else {FOREGROUND: foreground_spec(size)}
    return Data(codec.grid, train, test, tree.classes, tree.name, codec, columns=columns)


def _step(tile: int | None, stride: int | None, masks: str | None) -> int | None:
    """Pixels from one tile to the next; None where images are not cut.

    Raises:
        ValueError: no such stride, one without tiles, or masks of tiles.
    """
    if tile is None and stride is not None:
        raise ValueError(f"data.stride={stride} leads from tile to tile, and there are none: set data.tile=64, too")
    if tile is not None and masks is not None:
        raise ValueError("data.masks are of whole images, and data.tile cuts them: set one of them to null")
    if stride is not None and (type(stride) is not int or stride < 1):
        raise ValueError(f"expected data.stride as pixels from one tile to the next, at least 1, got {stride!r}")
    return tile if stride is None else stride


def _tiles(tree: Tree, part: str, found: Tiles, sources: Mapping[str, Tensor] | None) -> Dataset:
    """Tiles with what is known of their images."""
    files = [file.as_posix() for file in tree.files[part]]
    source = found.image if sources is None else sources[part][found.image]
    return found.stored.of_sources(source, None, [files[number] for number in found.image.tolist()])
