"""Which patches of a target count."""

from __future__ import annotations

from torch import Tensor

from ssl_pipeline.models.layers import Patches, first_true
from ssl_pipeline.structures.batch import View


def check_where(where: str) -> None:
    """Refuse an unknown choice of places.

    Raises:
        ValueError: neither masked nor everywhere.
    """
    if where not in ("masked", "everywhere"):
        raise ValueError(f"where={where!r} is not known; take masked or everywhere")


def in_the_hole(view: View, patches: Patches) -> tuple[Tensor | None, Tensor | None]:
    """Indices (B, Q) of the patches in a view's hole, or the share of each that lies in it, (B, N).

    Both are None without a hole; there are indices where every sample has as many patches in it.
    """
    if view.mask is None:
        return None, None
    if view.cell is None or view.visible is None or not patches.fits(view.cell):
        return None, patches.split(view.mask).float().mean(-1)
    count = patches.count - patches.count_in(view.visible, view.cell)
    return first_true(patches.wholly(view.mask), count), None


def weights(patches: Patches, valid: Tensor | None, places: Tensor | None, share: Tensor | None) -> Tensor | None:
    """How much each wanted patch counts, (B, Q): its share of the hole times that which is no padding; None: all alike.

    Args:
        patches: how the target is cut.
        valid: (B, *grid), False = padding.
        places: indices (B, Q) of the wanted patches; None for all of them.
        share: of each patch that lies in the hole.
    """
    if valid is None:
        return share
    present = patches.split(valid).float().mean(-1)
    present = present if places is None else present.gather(1, places)
    return present if share is None else share * present
