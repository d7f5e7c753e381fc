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


def masked_patches(view: View, patches: Patches) -> tuple[Tensor | None, Tensor | None]:
    """Indices (B, Q) of a view's masked patches, or the masked share of each patch, (B, N).

    Of a view with targets those of one target after another, so that a patch in several of them stands, or counts, as
    often. Both are None without a mask; there are indices where as many whole patches are masked in every sample.
    """
    if view.mask is None:
        return None, None
    cell = view.cell if view.cell is not None and patches.fits(view.cell) else None
    if view.target is not None and view.target_cells is not None:
        if cell is None:
            return None, patches.split(view.target.sum(1)).float().mean(-1)
        found = first_true(patches.wholly(view.target.flatten(0, 1)), patches.count_in(view.target_cells, cell))
        return found.unflatten(0, (len(view.target), -1)).flatten(1), None
    if cell is None or view.visible is None:
        return None, patches.split(view.mask).float().mean(-1)
    count = patches.count - patches.count_in(view.visible, cell)
    return first_true(patches.wholly(view.mask), count), None


def weights(patches: Patches, valid: Tensor | None, places: Tensor | None, share: Tensor | None) -> Tensor | None:
    """How much each wanted patch counts, (B, Q): its masked share times its share outside padding; None: all alike.

    Args:
        patches: how the target is cut.
        valid: (B, *grid), False = padding.
        places: indices (B, Q) of the wanted patches; None for all of them.
        share: masked share of each patch; above 1 where several targets hold it.
    """
    if valid is None:
        return share
    present = patches.split(valid).float().mean(-1)
    present = present if places is None else present.gather(1, places)
    return present if share is None else share * present
