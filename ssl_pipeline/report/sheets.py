"""Samples clean, corrupted and restored: pictures, spectrograms to listen to, or texts with what differs."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torchvision.io import encode_png

from ssl_pipeline.data import Clips, Data, LogMel, Pixels, Waveform
from ssl_pipeline.data.codecs.table import FEATURE
from ssl_pipeline.data.codecs.text import TextCodec
from ssl_pipeline.data.codecs.video import film_strip
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.inference.modules import Restorer
from ssl_pipeline.report.pictures import drawn, figure, inside, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRAMES = 4
"""Of a clip, in a picture."""
STRIPS = 3
"""Clips in a picture."""
UNORDERED = (FEATURE, "component")
"""Axes whose places have no order."""


class Form(NamedTuple):
    """Some samples in one form."""

    x: Tensor
    valid: Tensor | None


class Sheet(NamedTuple):
    """One view of some samples."""

    view: str
    picture: str | None  # of all of them, as a data URI
    sounds: list[list[tuple[str, str]]]  # of each sample, form and data URI
    texts: list[list[tuple[str, str]]]  # of each sample, form and HTML
    slider: tuple[str, str] | None = None  # of some images: corrupted and restored ones side by side, as data URIs


@torch.no_grad()
def forms(graph: Graph, data: Data, count: int = 4) -> dict[str, Form]:
    """``clean``, and for each view its name and, where it is restored, ``VIEW_restored``.

    Args:
        graph: in evaluation mode.
        data: has a test set.
        count: samples, spread over it.
    """
    assert data.test is not None
    device = next(graph.parameters()).device
    batch = data.test[_spread(len(data.test), count)].on(device)
    corrupted = graph.corrupt(batch, whole=True)
    found = {"clean": Form(corrupted.clean.x.cpu(), _cpu(batch.valid))}
    for name, view in corrupted.views.items():
        found[name] = Form(view.x.cpu(), _cpu(view.valid))
        if name in views_leading_to(graph):
            restored = Restorer(graph, name)(view.x, view.mask, view.valid)
            found[f"{name}_restored"] = Form(restored.cpu(), _cpu(batch.valid))
    return found


def sheets(found: Mapping[str, Form], data: Data) -> list[Sheet]:
    """One a view, whatever kind of data it is."""
    views = [name for name in found if name != "clean" and not name.endswith("_restored")]
    made = []
    for view in views:
        shown = {"clean": found["clean"], "corrupted": found[view]}
        if f"{view}_restored" in found:
            shown["restored"] = found[f"{view}_restored"]
        made.append(sheet(view, shown, data))
    return made


def sheet(name: str, shown: Mapping[str, Form], data: Data) -> Sheet:
    """Some forms, or rows of samples, under each other; texts are compared with the clean one, if there is one."""
    if data.grid.discrete:
        return Sheet(name, None, [], _texts(shown, data))
    return Sheet(name, picture(shown, data), _sounds(shown, data), [], _slider(shown, data))


def picture(shown: Mapping[str, Form], data: Data) -> str:
    """A row a form: images, strips of frames, maps of two axes, or curves."""
    count, visible = len(next(iter(shown.values())).x), isinstance(data.codec, Pixels | Clips)
    with styled():
        wide = 1
        if data.grid.ndim == 3:
            wide, count = FRAMES, min(count, STRIPS)
        drawing = figure(0.5 + 1.05 * count * wide, 1.05 * len(shown))
        axes = drawing.subplots(len(shown), count, squeeze=False)
        low, high = data.grid.range if visible else _bounds(next(iter(shown.values())).x)
        for row, (name, form) in zip(axes, shown.items(), strict=True):
            for axis, x in zip(row, form.x[:count].float(), strict=True):
                x = film_strip(x, FRAMES) if x.ndim == 4 else x
                if x.ndim == 2:
                    _row_of_numbers(axis, x[0], bars=data.grid.axes[0].name in UNORDERED)
                    axis.set_ylim(low, high)
                elif x.shape[0] == 3:
                    axis.imshow(((x.movedim(0, -1) - low) / (high - low)).clamp(0, 1))
                else:
                    maps = {"cmap": "gray"} if visible else {"cmap": "magma", "origin": "lower", "aspect": "auto"}
                    axis.imshow(x.flatten(0, -3).mean(0), vmin=low, vmax=high, **maps)
                axis.set_xticks([])
                axis.set_yticks([])
                axis.spines[:].set_visible(False)
            row[0].set_ylabel(name)
    return drawn(drawing, "png")


def _slider(shown: Mapping[str, Form], data: Data, most: int = 4) -> tuple[str, str] | None:
    """Two strips of the same images, of which a reader draws one over the other."""
    if not isinstance(data.codec, Pixels) or data.grid.width not in (1, 3):
        return None
    pair = [shown[name].x[:most] for name in ("corrupted", "restored") if name in shown]
    if len(pair) < 2 or pair[0].shape != pair[1].shape:
        return None
    low, high = data.grid.range
    strips = (torch.cat([*((x - low) / (high - low)).clamp(0, 1)], dim=-1) for x in pair)
    first, second = (inside(encode_png((255 * x).round().byte()).numpy().tobytes(), "image/png") for x in strips)
    return first, second


def _row_of_numbers(axis: Axes, x: Tensor, bars: bool) -> None:
    """A curve; or a bar a number, where numbers that stand side by side have nothing in common."""
    if bars:
        axis.bar(range(len(x)), x, color="0.25")
        axis.axhline(0, color="0.7", linewidth=0.4)
    else:
        axis.plot(x, linewidth=0.4, color="k")


def captions(data: Data, count: int = 4) -> dict[str, list[str]]:
    """What the columns of text say of the samples that ``forms`` takes, by the column's name."""
    columns = {name: spec.codec for name, spec in data.columns.items() if spec.grid.discrete and spec.steps is None}
    if data.test is None or not any(isinstance(codec, TextCodec) for codec in columns.values()):
        return {}
    batch = data.test[_spread(len(data.test), count)]
    return {
        name: codec.decode(batch.columns[name].x, batch.columns[name].valid)
        for name, codec in columns.items()
        if isinstance(codec, TextCodec)
    }


def _spread(size: int, count: int) -> Tensor:
    return torch.linspace(0, size - 1, min(count, size)).long()


def _sounds(shown: Mapping[str, Form], data: Data, most: int = 3) -> list[list[tuple[str, str]]]:
    """What some samples sound like."""
    if not isinstance(data.codec, (Waveform, LogMel)):
        return []
    rows = []
    with TemporaryDirectory() as folder:
        for i in range(min(most, len(next(iter(shown.values())).x))):
            row = []
            for name, form in shown.items():
                file = data.codec.write(Path(folder) / f"{i}_{name}", form.x[i], _row(form.valid, i))
                row.append((name, inside(file.read_bytes(), "audio/wav")))
            rows.append(row)
    return rows


def _texts(shown: Mapping[str, Form], data: Data) -> list[list[tuple[str, str]]]:
    """The forms of each sample; of the corrupted and the restored one what differs from the clean one is marked."""
    rows = []
    for i in range(len(next(iter(shown.values())).x)):
        words = {name: _text(data, form.x[i], _row(form.valid, i)) for name, form in shown.items()}
        if "clean" in words:
            clean = words.pop("clean")
            rows.append([("clean", escape(clean)), *((name, marked(clean, text)) for name, text in words.items())])
        else:
            rows.append([(name, escape(text)) for name, text in words.items()])
    return rows


def marked(clean: str, text: str) -> str:
    """A text as HTML, with marks where it differs from another.

    >>> marked("a good day", "a bad day")
    'a <del>goo</del><ins>ba</ins>d day'
    """
    parts = []
    for kind, a, b, c, d in SequenceMatcher(None, clean, text, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(escape(text[c:d]))
            continue
        parts.append(f"<del>{escape(clean[a:b])}</del>" if b > a else "")
        parts.append(f"<ins>{escape(text[c:d])}</ins>" if d > c else "")
    return "".join(parts)


def _text(data: Data, x: Tensor, valid: Tensor | None) -> str:
    if data.codec is None:
        return " ".join(map(str, x.tolist()))
    return data.codec.decode(x[None], None if valid is None else valid[None])[0]


def _bounds(x: Tensor) -> tuple[float, float]:
    low, high = float(x.min()), float(x.max())
    return low, high if high > low else low + 1


def _cpu(valid: Tensor | None) -> Tensor | None:
    return None if valid is None else valid.cpu()


def _row(valid: Tensor | None, i: int) -> Tensor | None:
    return None if valid is None else valid[i]
