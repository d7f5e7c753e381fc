"""Heads before a loss: how they are made, and how many numbers they give."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ssl_pipeline.losses import PairLoss
from ssl_pipeline.structures.binding import Bindable

Head = Bindable | nn.Module | Callable[[int], nn.Module]
"""A head: a part that is bound to a width, such as ``Projector()``, a module as it is, or a function of the width."""


def head(make: Head | None, width: int) -> nn.Module:
    """The head for vectors of so many numbers; None makes one that passes them on."""
    if make is None:
        return nn.Identity()
    if isinstance(make, Bindable):
        return make.bind(width)  # pyright: ignore[reportReturnType]
    return make if isinstance(make, nn.Module) else make(width)


def width_after(head: nn.Module, before: int) -> int:
    """Numbers that a head gives for an embedding of ``before`` numbers.

    Raises:
        ValueError: the head does not say.
    """
    if isinstance(head, nn.Identity):
        return before
    if not isinstance(width := getattr(head, "out_features", None), int):
        raise ValueError(
            f"expected a head that says how many numbers it gives, got {type(head).__name__}: "
            f"give it an attribute out_features, or take ssl_pipeline.models.layers.Projector"
        )
    return width


def check_width(name: str, loss: PairLoss, head: nn.Module, before: int) -> None:
    """Refuse a term whose loss presumes another width than its head gives.

    Args:
        name: of the term.
        loss: of the term.
        head: what embeddings pass before the loss.
        before: width of the embeddings.

    Raises:
        ValueError: the widths differ.
    """
    if loss.presumes is None:
        return
    setting, width = loss.presumes
    if width != (given := width_after(head, before)):
        raise ValueError(
            f"objective.{name}.loss.{setting} is {width}, and objective.{name}.projector gives {given} numbers: "
            f"set objective.{name}.loss.{setting}={given}"
        )
