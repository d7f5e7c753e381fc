"""Template: a text stands within another one that asks for it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ssl_pipeline.corruptions._tokens import BYTES, check_text, content, moved, padding_symbol
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.records import View

PARAPHRASES = ("Repeat this: {}", "Say again: {}", "Please copy {}", "Write {} once more", "What was it? {}")


class Template(Corruption):
    """Each text is put into one of several templates, which all ask for the same: to give back the text.

    Where all does not fit, the text loses its end, never the template; an end symbol still closes the whole.
    ``origin``: the text's symbols keep theirs, those of the template have that of the nearest one of the text.

    Args:
        grid: grid of the views: one discrete axis, whose symbols 0 to 255 are bytes (UTF-8).
        templates: strings with ``{}`` once, where the text goes; each sample draws one.

    Raises:
        ValueError: no template, or one without ``{}`` or too long for the grid; symbols that are not bytes.

    >>> from ssl_pipeline.records import clean_view
    >>> grid = GridSpec.of(("position", 8), vocab=258, mask_token=257, end_token=256)
    >>> valid = torch.arange(8).unsqueeze(0) < 3
    >>> view = clean_view(grid, torch.tensor([[72, 105, 256, 256, 256, 256, 256, 256]]), valid)
    >>> bytes(Template(grid=grid, templates=["Say {}!"])(view, torch.Generator()).x[0, :7].tolist())
    b'Say Hi!'
    """

    def __init__(self, *, grid: GridSpec, templates: Sequence[str] = PARAPHRASES) -> None:
        super().__init__(grid)
        check_text("template", grid)
        if grid.vocab is None or grid.vocab < BYTES + 2:
            raise ValueError(
                f"template writes bytes, so that a grid needs the symbols 0 to 255, an end and a mask, "
                f"got {grid.vocab} symbols: use data of text"
            )
        if not templates:
            raise ValueError("templates needs at least one string, got none: write one such as 'Repeat this: {}'")
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"a template holds {{}} once, where the text goes, got {template!r}: write it there")
            if (size := len(template.encode()) - 2) > grid.shape[0] - 2:
                raise ValueError(
                    f"a template must leave two of the grid's {grid.shape[0]} cells to the text and its end, "
                    f"got {template!r} of {size} bytes: shorten it or take a longer grid"
                )
        self.parts = [template.encode().split(b"{}") for template in templates]

    def __call__(self, view: View, generator: torch.Generator) -> View:
        text, batch, device = content(view, self.grid), view.x.shape[0], view.x.device
        choice = torch.randint(len(self.parts), (batch,), generator=generator, device=device)
        (before, start), (after, tail) = (self._drawn(side, choice) for side in (0, 1))
        room = self.grid.shape[0] - start - tail - text.closed.long()
        stop = start + torch.minimum(text.length, room)  # first cell after the text
        close, index = stop + tail, text.index

        last = (stop - start - 1).clamp(min=0)
        nearest = torch.minimum((index - start).clamp(min=0), last)
        nearest = torch.where((index == close) & text.closed, text.length, nearest)
        cells = text.cells.gather(1, nearest)
        x = view.x.gather(1, cells)
        x = torch.where(index < start, before, x)
        x = torch.where((index >= stop) & (index < close), after.gather(1, (index - stop) % after.shape[1]), x)
        valid = index < close + text.closed.long()
        framed = moved(view, x.masked_fill(~valid, padding_symbol(self.grid)), cells, valid)
        if framed.removed is None:
            return framed
        return framed._replace(removed=framed.removed & (index >= start) & (index < stop))

    def _drawn(self, side: int, choice: Tensor) -> tuple[Tensor, Tensor]:
        """Bytes before (0) or after (1) each sample's text, (B, N), and how many they are, (B, 1)."""
        width = self.grid.shape[0]
        rows = [list(parts[side].ljust(width, b"\0")) for parts in self.parts]
        sizes = [[len(parts[side])] for parts in self.parts]
        return torch.tensor(rows, device=choice.device)[choice], torch.tensor(sizes, device=choice.device)[choice]
