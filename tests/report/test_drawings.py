"""Pieces of the page: rows of numbers, marked texts, captions, the starts of a world model, names of curves."""

import html
import re

import numpy as np
import torch
from helpers.build import build
from matplotlib.figure import Figure

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.data.codecs.table import TableCodec
from ssl_pipeline.data.rl.pendulum import pendulum
from ssl_pipeline.data.wrappers.captioned import captioned
from ssl_pipeline.report import dag_svg
from ssl_pipeline.report.latents import latent_map
from ssl_pipeline.report.pictures import legend_below
from ssl_pipeline.report.sheets import UNORDERED, _row_of_numbers, captions, marked
from ssl_pipeline.report.tidy import read_tidy


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


def test_marks_keep_both_texts():
    def without(tag, marks):
        return html.unescape(re.sub(r"</?(ins|del)>", "", re.sub(rf"<{tag}>.*?</{tag}>", "", marks, flags=re.S)))

    for clean, text in (("a < b\n", "a > c\n"), ("", "x"), ("same", "same"), ("abc", "")):
        assert without("del", marked(clean, text)) == text and without("ins", marked(clean, text)) == clean


def test_a_cut_line_is_left_out(tmp_path):
    (tmp_path / "m.csv").write_text("step,name,value\n1,loss,2.5\n2,loss,nan\n3,lo")
    assert read_tidy(tmp_path / "m.csv")["loss"].values[0] == 2.5 and len(read_tidy(tmp_path / "m.csv")) == 1
    assert read_tidy(tmp_path / "none.csv") == {}


def test_names_of_classes_are_no_formulas():
    z = np.random.default_rng(0).normal(size=(20, 4))
    assert latent_map(z, np.arange(20) % 2, ["a$b_^$", "c$"], {"mask": z}).startswith("data:image")
