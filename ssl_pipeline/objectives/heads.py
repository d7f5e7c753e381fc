"""How many numbers a head gives, and whether the energy after it presumes as many."""

from __future__ import annotations

from torch import nn

from ssl_pipeline.losses import PairLoss


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
    """Refuse a term whose energy presumes another width than its head gives.

    Args:
        name: of the term.
        loss: of the term.
        head: what embeddings pass before the energy.
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
