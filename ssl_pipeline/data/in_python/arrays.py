"""Tensors and arrays that lie in memory, or are mapped there."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.data.base import Classes
from ssl_pipeline.data.in_python.labels import numbered_labels
from ssl_pipeline.data.in_python.parts import PythonPart
from ssl_pipeline.data.in_python.samples import SHAPES, on_grid
from ssl_pipeline.data.memory import MemoryDataset


def as_tensor(given: Tensor | np.ndarray) -> Tensor:
    """Samples on the CPU, without a copy where that can be.

    Raises:
        ValueError: an array of things that are no numbers, such as samples of different shapes.

    >>> as_tensor(np.zeros((2, 1, 4), dtype=">f4")).dtype
    torch.float32
    """
    if isinstance(given, Tensor):
        return given.detach().cpu()
    if given.dtype.kind not in "biufc":
        raise ValueError(
            f"expected {SHAPES} as numbers of one shape, got an array of {given.dtype}: give all samples the same shape"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of arrays that cannot be written: nobody writes to samples
        return torch.from_numpy(np.require(given, given.dtype.newbyteorder("="), ["C"]))


def array_part(x: Tensor, labels: Any = None, classes: Classes = None) -> PythonPart:
    """Samples as they lie.

    Args:
        x: on the CPU.
        labels: one for each; None: unlabelled.
        classes: of the training part, where this is the test part; () where that is unlabelled.

    Raises:
        ValueError: labels that do not fit.
    """
    numbers = None
    if labels is not None and classes != ():
        numbers, classes = numbered_labels(labels, len(x), classes)
    return PythonPart(MemoryDataset(on_grid(x), labels=numbers), x, whole=True, classes=classes)
