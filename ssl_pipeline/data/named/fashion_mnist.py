"""Fashion-MNIST from its idx files, wherever they lie."""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.memory import MemoryDataset

_PIXELS = Pixels(size=28, channels=1)

_PARTS = {"train": "train", "test": "t10k"}
_CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@register("data", "fashion_mnist", settled={"download": False})
def fashion_mnist(root: str = "data", download: bool = True) -> Data:
    """Zalando's 60,000 + 10,000 grey images of clothes, 28 by 28 (https://arxiv.org/abs/1708.07747).

    Args:
        root: where the idx files lie, packed (.gz) or not: there, in ``FashionMNIST/raw``, or in a folder of it
            with "fashion" in the name.
        download: fetch them into ``root/FashionMNIST/raw`` where they are not found.

    Raises:
        FileNotFoundError: not found and not to be downloaded.
        OSError: the download failed.
        ValueError: a corrupt file.
    """
    folder = _find(Path(root))
    if folder is None:
        if not download:
            raise FileNotFoundError(
                f"Fashion-MNIST: expected {_names('train')[0]}[.gz] and its three companions in {root!r}, in its "
                f"FashionMNIST/raw or in a folder of it with 'fashion' in the name, found them in none: "
                f"set data.root to where they lie or download=true"
            )
        folder = _download(Path(root) / "FashionMNIST" / "raw")
    train, test = (_part(folder, part) for part in _PARTS)
    return Data(grid=_PIXELS.grid, codec=_PIXELS, train=train, test=test, classes=_CLASSES, name="fashion_mnist")


def read_idx(file: Path) -> UInt8[Tensor, "..."]:
    """An array of bytes in the idx format (http://yann.lecun.com/exdb/mnist), packed if the name ends in .gz.

    Raises:
        ValueError: not an idx file of bytes, or not as long as its head says.
    """
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{file} is corrupt ({error}): delete it and fetch it again") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(
            f"{file} is no idx file of bytes: expected it to begin with 00 00 08, got {content[:3].hex(' ')}"
        )
    head = 4 + 4 * content[3]
    shape = tuple(np.frombuffer(content[4:head], dtype=">u4").tolist()) if len(content) >= head else ()
    expected = head + int(np.prod(shape, dtype=object)) if shape else head
    if len(content) != expected or not shape:
        raise ValueError(
            f"{file} is corrupt: expected {expected:,} bytes for the shape {shape}, got {len(content):,}: "
            f"delete it and fetch it again"
        )
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8, offset=head).reshape(shape).copy())


def _names(part: str) -> tuple[str, str]:
    return f"{_PARTS[part]}-images-idx3-ubyte", f"{_PARTS[part]}-labels-idx1-ubyte"


def _file(folder: Path, name: str) -> Path | None:
    return next((file for file in (folder / name, folder / f"{name}.gz") if file.is_file()), None)


def _find(root: Path) -> Path | None:
    # Only folders that say "fashion": MNIST and its other relatives use the same file names.
    near = sorted(path for path in root.glob("*") if path.is_dir() and "fashion" in path.name.lower())
    for folder in (root, root / "FashionMNIST" / "raw", *near):
        if all(_file(folder, name) for part in _PARTS for name in _names(part)):
            return folder
    return None


def _part(folder: Path, part: str) -> MemoryDataset:
    images, labels = (read_idx(file) for name in _names(part) if (file := _file(folder, name)))
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise ValueError(
            f"{folder}: expected images (N, 28, 28) with labels (N,), got {tuple(images.shape)} with "
            f"{tuple(labels.shape)}: fetch the files of {part} again"
        )
    if labels.max() >= len(_CLASSES):
        raise ValueError(f"{folder}: expected labels 0 to 9, got {labels.max().item()}: these files hold another set")
    return MemoryDataset(images.unsqueeze(1), labels=labels.long())


def _download(folder: Path) -> Path:
    from torchvision.datasets import FashionMNIST
    from torchvision.datasets.utils import download_url

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        for name, md5 in FashionMNIST.resources:
            reasons = []
            for mirror in FashionMNIST.mirrors:
                try:
                    download_url(mirror + name, temporary, filename=name, md5=md5)
                    break
                except (
                    OSError,
                    HTTPException,
                    RuntimeError,
                ) as error:  # RuntimeError: wrong checksum
                    reasons.append(f"{mirror}: {error}")
            else:
                raise OSError(
                    f"Fashion-MNIST: its idx files are neither in {str(folder.parent.parent)!r} nor could they be "
                    f"downloaded ({'; '.join(reasons)}): set data.root to a folder that holds {name} and its companions"
                )
        for name, _ in FashionMNIST.resources:  # moved whole, so that no half a file is ever found
            os.replace(Path(temporary, name), folder / name)
    return folder
