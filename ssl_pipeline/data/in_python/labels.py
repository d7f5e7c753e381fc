"""Labels of any kind as numbers, and the names of their classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.data.base import Classes


def numbered_labels(labels: Any, count: int, classes: Classes = None) -> tuple[Int64[Tensor, "N"], tuple[str, ...]]:
    """Labels as numbers from 0, and what they stand for, sorted.

    Args:
        labels: one whole number or text for each sample, as a list, an array or a tensor.
        count: of the samples.
        classes: of the part that was read before; these labels must be among them.

    Raises:
        ValueError: another number of labels, labels of another kind, or one that ``classes`` lacks.

    >>> numbered_labels(["cat", "ant", "cat"], 3)
    (tensor([1, 0, 1]), ('ant', 'cat'))
    """
    values = labels.cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if values.dtype.kind == "O":  # texts, or whole numbers, as pandas has them
        values = np.asarray(values.tolist())
    if values.shape != (count,):
        raise ValueError(f"expected labels ({count},), one for each sample, got {values.shape}")
    if values.dtype.kind not in "iubUS":
        raise ValueError(f"expected labels that are whole numbers or texts, got {values.dtype}: round or number them")
    names, numbers = np.unique(values, return_inverse=True)
    found = tuple(str(name) for name in names.tolist())
    if classes is None:
        return torch.from_numpy(numbers.astype(np.int64)), found
    if lost := [name for name in found if name not in classes]:
        raise ValueError(f"the test part has labels that the training part lacks: {', '.join(lost[:5])}")
    return torch.tensor([classes.index(name) for name in found])[numbers], classes


def known_labels(items: Any) -> Any:
    """Labels that a data set of torch's knows without reading samples, as torchvision's ``targets``; else None."""
    if hasattr(items, "dataset") and hasattr(items, "indices"):  # a Subset
        whole = known_labels(items.dataset)
        return None if whole is None else whole[np.asarray(items.indices)]
    for name in ("targets", "labels"):
        found = getattr(items, name, None)
        if isinstance(found, list | tuple | np.ndarray | Tensor) and len(found) == len(items):
            values = found.numpy() if isinstance(found, Tensor) else np.asarray(found)
            if values.ndim == 1 and values.dtype.kind in "iub":
                return values
    return None
