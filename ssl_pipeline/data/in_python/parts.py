"""A training part and a test part become the pipeline's ``Data``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from torch import Tensor

from ssl_pipeline.config.options import check_names, check_values
from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Classes, Data, Dataset, Stream, holdout
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.codecs.table import FEATURE, TableCodec
from ssl_pipeline.data.in_python.samples import codec_for, grid_for, sample_kind
from ssl_pipeline.data.io.value_range import RangeOption
from ssl_pipeline.data.options import Cache, OptionGroup, Options, Split, UnreadableFiles
from ssl_pipeline.data.table import TableRows, rows_of
from ssl_pipeline.structures.grid import GridSpec

_GROUPS: dict[str, type[OptionGroup]] = {"split": Split, "unreadable": UnreadableFiles, "cache": Cache}


@dataclass(frozen=True)
class Reading:
    """How data that was passed in Python is read; the options ``data.*`` of such a run.

    Args:
        split: which samples are held out, where there is no test part.
        size: height and width of PIL images in pixels; None: that of the first one, at most 64.
        channels: of PIL images; None: those of the first one.
        range: least and largest value of PIL images deeper than 8 bits, which become 0 and 1; "auto": those of up to
            128 of them; None: 8 bits.
        image: name of the samples in items that are dictionaries, or column of the images; None: the usual names.
        label: name of the labels there; None: unlabelled.
        vocab: number of symbols; None: those that an array holds.
        unreadable: what happens to rows of a ``datasets.Dataset`` whose image cannot be read.
        cache: how these images are decoded and kept.
    """

    split: Split | Options = Split()
    size: int | None = None
    channels: int | None = None
    range: RangeOption = "auto"
    image: str | None = None
    label: str | None = "label"
    vocab: int | None = None
    unreadable: UnreadableFiles | Options = UnreadableFiles()
    cache: Cache | Options = Cache()

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Reading:
        """From options without their ``data.``, those of a group as ``split.holdout``.

        Raises:
            ValueError: an unknown option, or a value outside its bounds.

        >>> Reading.of({"split.holdout": 0.2, "size": 32}).split
        Split(holdout=0.2, seed=0)
        """
        groups: dict[str, dict[str, Any]] = {name: {} for name in _GROUPS}
        others = {}
        for key, value in options.items():
            group, _, name = key.partition(".")
            if name and group in groups:
                groups[group][name] = value
            else:
                others[key] = value
        check_names("data", cls, others)
        check_values("data", cls, others)
        return cls(**{**{name: kind.of(groups[name]) for name, kind in _GROUPS.items()}, **others})

    def suiting(self, grid: GridSpec | None) -> Reading:
        """The same for samples of a trained model's grid, which decides what nobody says."""
        if grid is None:
            return self
        if grid.vocab is not None:
            return replace(self, vocab=self.vocab or grid.vocab - 1)
        side = grid.shape[0] if grid.ndim == 2 and len({*grid.shape}) == 1 else None
        return replace(self, size=self.size or side, channels=self.channels or grid.width)


@register("data", "in_python", settled={"cache.folder": None})
@dataclass(frozen=True)
class SavedReading(Reading):
    """What a run's configuration says of data that was passed in Python; it cannot be read from there.

    Args:
        description: the data in words.

    Raises:
        ValueError: always.
    """

    description: str = field(kw_only=True)

    def __post_init__(self) -> None:
        raise ValueError(
            f"this run learnt from data that was passed in Python ({self.description!r}), which no file can name: "
            f"pass it again in Python, as in evaluate(run, data=...)"
        )


class PythonPart(NamedTuple):
    """Samples to learn from, or to test on.

    Args:
        dataset: of them.
        seen: some of them, or all, as they came.
        whole: whether ``seen`` is all of them.
        classes: names of the labels, where all labels are known.
        codec: that reads them, of PIL images.
    """

    dataset: Dataset | Stream
    seen: Tensor
    whole: bool = False
    classes: Classes = None
    codec: Pixels | None = None


def data_of_parts(
    name: str, train: PythonPart, test: PythonPart | None, reading: Reading, like: GridSpec | None = None
) -> Data:
    """The data set of two parts; without a test part some samples are set aside, though not of a stream.

    Args:
        name: how reports call it.
        train: samples to learn from.
        test: samples to test on.
        reading: how they are read.
        like: grid of a trained model, which is taken where its samples have this shape.

    Raises:
        ValueError: see ``grid_for``; parts of different shapes; a test part that is a stream.
    """
    both = [train, *([] if test is None else [test])]
    vocab = reading.vocab
    if vocab is None and sample_kind(train.seen) == "symbols" and all(part.whole for part in both):
        vocab = max((int(part.seen.max()) for part in both if part.seen.numel()), default=0) + 1
    ranged = train.codec if train.codec is not None and train.codec.range is not None else None
    grid = grid_for(train.seen, vocab) if ranged is None else ranged.grid
    if like is not None and grid.names != (FEATURE,):
        grid = _suiting(grid, like, train.seen)
    if test is not None:
        if (mine := test.seen.shape[1:]) != (wanted := train.seen.shape[1:]):
            raise ValueError(f"expected test samples of {tuple(wanted)}, as in training, got {tuple(mine)}")
        grid_for(test.seen, vocab)
    held_out = None if test is None else test.dataset
    if isinstance(held_out, Stream):
        raise ValueError("expected a test part of known length, got one that is read in order: give it __getitem__")
    learnt = train.dataset
    if held_out is None and not isinstance(learnt, Stream):
        split = Split.of(reading.split)
        learnt, held_out = holdout(learnt, split.holdout, split.seed)
    data = Data(
        grid=grid, train=learnt, test=held_out, classes=train.classes, name=name, codec=ranged or codec_for(grid)
    )
    return _table_of(data, train.whole) if grid.names == (FEATURE,) else data


def _table_of(rows: Data, whole: bool) -> Data:
    """Rows, standardised; their columns are called 1, 2 ..."""
    names = [str(i + 1) for i in range(rows.grid.shape[0])]
    codec = TableCodec.of(names, rows_of(rows.train, whole))
    return TableRows(rows, codec, named=False).read_with(codec)


def _suiting(grid: GridSpec, like: GridSpec, seen: Tensor) -> GridSpec:
    """The grid of a trained model, where samples have this shape: its range and its symbols are theirs."""
    if (like.shape, like.width, like.discrete) != (grid.shape, grid.width, grid.discrete):
        return grid
    _warn_of_range(seen, like)
    return like


def _warn_of_range(x: Tensor, grid: GridSpec) -> None:
    """The range of floats is that of the samples that a model was trained on, which a few others may leave."""
    if not x.is_floating_point():
        return
    (low, high), (least, most) = grid.range, map(float, x.aminmax())
    if max(low - least, most - high) > 0.5 * (high - low):
        warnings.warn(
            f"the model was trained on values from {low:.3g} to {high:.3g}, and these go from {least:.3g} to "
            f"{most:.3g}: bring them into this range",
            stacklevel=2,
        )
