"""Template: a text stands within another one that asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._tokens import BYTES, check_text, content, moved, padding_symbol
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.structures.batch import View
from ssl_pipeline.utils.errors import nearest


@register("corruption", "template")
class Template(Corruption):
    """Each text is put into one of several templates, which all ask for the same: to give back the text.

    Where all does not fit, the text loses its end, never the template; an end symbol still closes the whole. ``room``
    makes the views longer than the texts. ``source_coords``: the text's symbols keep theirs, those of the template have
    that of the nearest one of the text.

    Views with different folds of the same number never show a sample in the same template.

    Args:
        families: templates by family, strings with ``{}`` once, where the text goes; each sample draws one of all.
        only: names of the families to draw from; None: all.
        fold: (i, k) takes only the i-th of k folds of each family: its templates i, i + k, i + 2 k ..., counted from 1.
            None: all.
        room: cells that the views have beyond those of the texts.

    Raises:
        ValueError: an unknown family or fold; no template, or one without ``{}`` or too long for the grid; symbols
            that are not bytes.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("position", 3), vocab=258, mask_token=257, end_token=256)
    >>> template = Template(families={"say": ["Say {}!"]}, room=5).bind(grid)
    >>> view = template(clean_view(grid, torch.tensor([[72, 105, 256]])), torch.Generator())
    >>> bytes(view.x[0, :7].tolist())
    b'Say Hi!'
    """

    def __init__(
        self,
        *,
        families: Mapping[str, Sequence[str]],
        only: Sequence[str] | None = None,
        fold: Sequence[int] | None = None,
        room: int = 0,
    ) -> None:
        if room < 0:
            raise ValueError(f"room={room}: expected a number of cells, 0 for none")
        self.templates, self.room = select_templates(families, only, fold), room

    def setup(self) -> None:
        """The templates as symbols of the grid: one discrete axis, whose symbols 0 to 255 are bytes (UTF-8)."""
        grid = self.grid
        check_text("template", grid)
        if grid.vocab is None or grid.vocab < BYTES + 2:
            raise ValueError(
                f"template writes bytes, so that a grid needs the symbols 0 to 255, an end and a mask, "
                f"got {grid.vocab} symbols: use data of text"
            )
        (axis,) = grid.axes
        self.width = axis.size + self.room
        self.output_grid = replace(grid, axes=(axis._replace(size=self.width),))
        for template in self.templates:
            if template.count("{}") != 1:
                raise ValueError(f"a template holds {{}} once, where the text goes, got {template!r}: write it there")
            if (size := len(template.encode()) - 2) > self.width - 2:
                raise ValueError(
                    f"a template must leave two of the view's {self.width} cells to the text and its end, "
                    f"got {template!r} of {size} bytes: shorten it, raise room or take a longer grid"
                )
        self.sides = [self._written([t.encode().split(b"{}")[side] for t in self.templates]) for side in (0, 1)]

    def __call__(self, view: View, generator: torch.Generator) -> View:
        text, batch, device = content(view, self.grid), view.x.shape[0], view.x.device
        choice = torch.randint(len(self.templates), (batch,), generator=generator, device=device)
        (before, start), (after, tail) = (
            (rows.to(device)[choice], sizes.to(device)[choice]) for rows, sizes in self.sides
        )
        room = self.width - start - tail - text.closed.long()
        stop = start + torch.minimum(text.length, room)  # first cell after the text
        close, index = stop + tail, torch.arange(self.width, device=device)

        last = (stop - start - 1).clamp(min=0)
        nearest = torch.minimum((index - start).clamp(min=0), last)
        nearest = torch.where((index == close) & text.closed, text.length, nearest)
        cells = text.cells.gather(1, nearest)
        x = view.x.gather(1, cells)
        x = torch.where(index < start, before, x)
        x = torch.where((index >= stop) & (index < close), after.gather(1, (index - stop) % self.width), x)
        valid = index < close + text.closed.long()
        framed = moved(view, x.masked_fill(~valid, padding_symbol(self.grid)), cells, valid)
        if self.output_grid != self.grid:
            framed = framed._replace(coords=self.output_grid.coordinates(device))
        if framed.mask is None:
            return framed
        return framed._replace(mask=framed.mask & (index >= start) & (index < stop))

    def _written(self, parts: Sequence[bytes]) -> tuple[Tensor, Tensor]:
        """Each template's bytes on one side of the text, (T, N), and how many they are, (T, 1)."""
        rows = torch.tensor([[*part.ljust(self.width, b"\0")] for part in parts])
        return rows, torch.tensor([[len(part)] for part in parts])


def select_templates(
    families: Mapping[str, Sequence[str]], only: Sequence[str] | None = None, fold: Sequence[int] | None = None
) -> list[str]:
    """The templates of some families and of one fold, each once, in their order.

    Args:
        families: templates by family.
        only: names of families; None: all.
        fold: (i, k), the i-th of k folds of each family; None: all.

    Raises:
        ValueError: an unknown family, a fold that is none, or no template.

    >>> select_templates({"say": ["a {}", "b {}", "c {}"], "sag": ["d {}"]}, fold=(1, 2))
    ['a {}', 'c {}', 'd {}']
    """
    names = [*families] if only is None else only
    if unknown := [name for name in names if name not in families]:
        raise ValueError(f"only names the family {unknown[0]!r}, which is not there; {nearest(unknown[0], families)}")
    first, step = (1, 1) if fold is None else fold if len(fold) == 2 else (0, 0)
    if not 1 <= first <= step:
        raise ValueError(f"fold={fold}: expected [i, k], the i-th of k folds, such as [1, 3]")
    fresh: dict[str, str] = {}  # each template by the first family that has it, so that no other fold has it, too
    for name in names:
        fresh |= {template: name for template in families[name] if template not in fresh}
    parted = ([template for template, of in fresh.items() if of == name] for name in dict.fromkeys(names))
    found = [template for family in parted for template in family[first - 1 :: step]]
    if not found:
        raise ValueError(
            f"families={dict(families)}, only={only}, fold={fold} leave no template: "
            f"write at least one, such as {{say: ['Repeat this: {{}}']}}"
        )
    return found
