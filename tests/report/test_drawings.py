"""Pieces of the page: rows of numbers, captions, the starts of a world model, names below the curves."""

import re

import torch
from helpers.build import build
from matplotlib.figure import Figure

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.data.codecs.table import TableCodec
from ssl_pipeline.data.rl.pendulum import pendulum
from ssl_pipeline.data.wrappers.captioned import captioned
from ssl_pipeline.report import dag_svg
from ssl_pipeline.report.pictures import legend_below
from ssl_pipeline.report.sheets import UNORDERED, _row_of_numbers, captions


def test_the_numbers_of_a_row_are_bars_and_those_of_a_recording_a_curve():
    table = TableCodec(["a", "b", "c"], [0.0] * 3, [1.0] * 3, (-1.0, 1.0)).grid.axes[0].name
    for name in (table, "component", "time"):
        axis = Figure().subplots()
        _row_of_numbers(axis, torch.tensor([1.0, -1.0, 0.5]), bars=name in UNORDERED)
        assert len(axis.patches) == (0 if name == "time" else 3)


def test_captions_are_those_of_the_samples_that_are_shown():
    data = captioned(digits(), length=12, template="a {}")
    assert data.test is not None
    labels = data.test[[0, len(data.test) - 1]].label
    assert labels is not None and captions(data, 2) == {"text": [f"a {label}" for label in labels.tolist()]}
    assert captions(digits(), 2) == {}


def test_an_action_has_a_start_and_a_way():
    data = pendulum(episodes=4, length=10)
    words = ["experiment=world_model", "encoder.width=16", "encoder.depth=1", "decoder.width=16"]
    svg = dag_svg(build(compose(words), data.grid, columns=data.layout.columns))
    assert svg.count(">action</text>") == 2  # where it starts, and what the inverse leads to
    assert len(re.findall("<title>transition: action</title>", svg)) == 2


def test_names_of_curves_lie_on_none_of_them():
    drawing = Figure(layout="constrained")
    for axis, title in zip(drawing.subplots(1, 2), ("", "step"), strict=True):
        axis.plot([1, 2], label="loss")
        axis.set_xlabel(title)
        legend_below(axis)
    drawing.draw_without_rendering()
    for axis in drawing.axes:
        legend = axis.get_legend()
        assert legend is not None and legend.get_window_extent().y1 <= axis.get_window_extent().y0
