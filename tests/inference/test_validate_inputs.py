"""What users pass to a model: it works, or a sentence says what is expected."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.inverse_models import CONV, TRANSLATOR, X, model, of_sound
from PIL import Image

from ssl_pipeline.data import LogMel, TableCodec
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.validate_inputs import samples

U = (X * 255).round().to(torch.uint8)


@pytest.mark.parametrize("kind", ["path", "str", "image", "bytes"])
def test_one_thing_is_a_list_of_one(images, texts, tmp_path, kind):
    image = Image.fromarray(U[0, 0].numpy())
    image.save(tmp_path / "a.png")
    whole = texts if kind == "bytes" else images
    one = {"path": tmp_path / "a.png", "str": str(tmp_path / "a.png"), "image": image, "bytes": b"any text"}[kind]
    assert torch.equal(whole.embed(one), whole.embed([one]))
    assert torch.equal(texts.embed("any text"), texts.embed([b"any text"]))


def test_a_recording_by_its_path(sounds, tmp_path):
    file = sounds.codec.write(tmp_path / "a", torch.linspace(-1, 1, 64).view(1, -1))
    assert torch.equal(sounds.embed(str(file)), sounds.embed([file]))


def test_arrays_of_all_kinds_are_taken_without_a_warning(images):
    wanted = images.embed(X)
    locked = X.numpy().copy()
    locked.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for same in (X.numpy().astype(">f4"), X.numpy()[:, :, ::-1].copy()[:, :, ::-1], locked, list(X), [*X.numpy()]):
            assert torch.equal(images.embed(same), wanted)
    assert torch.equal(images.embed(U.numpy()[:, :, ::-1]), images.embed(U.flip(2)))


def test_none_is_an_answer(images, texts, sounds):
    for whole in (images, texts, sounds, of_sound(LogMel(rate=8000, seconds=0.08))):
        some = whole.embed([])
        assert some.shape[0] == 0 and some.shape[1] > 0


@pytest.mark.parametrize(
    ("which", "x", "words"),
    [
        ("images", None, "expected images as paths or as PIL images, got NoneType"),
        ("images", b"a", "expected images as paths or as PIL images, got bytes"),
        ("images", [X[0], X[0, :, :4]], r"images of one shape and type, got \(1, 8, 8\) .* and \(1, 4, 8\)"),
        ("images", [X[0], U[0]], "images of one shape and type, got .*float32 and .*uint8"),
        ("images", np.array(["a"]), "as an array or tensor of numbers, got array of <U1"),
        ("images", U.long(), "expected uint8 or floats"),
        ("texts", [1], "expected texts as str or bytes, got int"),
        ("texts", Path("a.txt"), "expected texts as str or bytes, got .*Path"),
        ("texts", None, "expected texts as str or bytes, got NoneType"),
        ("sounds", None, "expected recordings as paths .* got NoneType as number 0"),
        ("sounds", 3, "expected recordings as paths .* got int as number 0"),
        ("plain", "abc", "expected samples as one array or tensor, got a str: stack or convert them"),
        ("plain", [X[0]], "expected samples as one array or tensor, got a list: stack"),
    ],
)
def test_other_things_are_refused(request, unchecked, which, x, words):
    whole = model(*CONV, "corruption=noise") if which == "plain" else request.getfixturevalue(which)
    with pytest.raises(ValueError, match=words):
        whole.embed(x)


def test_files_that_cannot_be_read_are_named(images, sounds, tmp_path):
    for whole, kind in ((images, "an image"), (sounds, "a recording")):
        with pytest.raises(FileNotFoundError, match=f"there is no file '/nope.wav': give the path of {kind}"):
            whole.embed(["/nope.wav"])
    picture, empty = tmp_path / "a.jpg", tmp_path / "b.wav"
    Image.new("L", (8, 8)).save(picture)
    empty.touch()
    with pytest.raises(ValueError, match=r"a\.jpg cannot be read as a recording: "):
        sounds.embed(picture)
    with pytest.raises(ValueError, match=r"b\.wav cannot be read as a recording: it is empty"):
        sounds.embed(empty)
    with pytest.raises(ValueError, match=r"b\.wav cannot be read as an image: "):
        images.embed(empty)


@pytest.mark.parametrize("size", [2.5, "3", 0, None])
def test_a_batch_is_a_whole_number(images, unchecked, size):
    with pytest.raises(ValueError, match=f"batch_size={size!r}: expected a whole number of at least 1"):
        images.embed(X, batch_size=size)


@pytest.mark.parametrize("name", ["nonsense", *(() if torch.cuda.is_available() else ("cuda",))])
def test_a_device_that_is_not_there(images, name):
    with pytest.raises(ValueError, match=f"device={name}: there is no such device here; take cpu or auto"):
        images.to(name)
    assert images.device.type == "cpu"


def test_a_model_says_what_it_is(images, texts):
    assert repr(images).splitlines() == [
        "Model on cpu",
        "  views: mask, noise, lowres-noise",
        "  grid: y 8, x 8; 1 x 0 to 1",
        "  parts: encoder, decoder, restorer:mask, restorer:noise, restorer:lowres-noise, front@CUT, back@CUT",
    ]
    assert "grid: position 16; 258 symbols" in repr(texts)
    whole = model(*TRANSLATOR)
    assert repr(whole).endswith(
        "parts: encoder, decoder, restorer:noise, restorer:lowres, translator:noise-lowres, front@CUT, back@CUT"
    )
    held = Model(whole.graph, whole.config, held=("encoder", "noise"))
    assert repr(held).endswith("parts: encoder of view noise")


def test_every_part_that_a_model_names_can_be_had(images):
    for name in repr(images).rpartition("parts: ")[2].split(", "):
        part, graph = images.part(name.replace("CUT", "latent")), images.graph.state_dict(keep_vars=True)
        assert all(weight is graph[key] for key, weight in part.state_dict(keep_vars=True).items())


def test_rows_of_a_table_are_in_its_units_and_with_an_axis_of_channels_on_the_grid():
    rows = torch.tensor([[1.0, 2.0]])
    codec = TableCodec(["a", "b"], [1.0, 0.0], [1.0, 2.0], (-1.0, 1.0))
    assert samples(rows, codec, codec.grid)[0].tolist() == [[[0.0, 1.0]]]
    assert samples(rows.unsqueeze(1), codec, codec.grid)[0].tolist() == [[[1.0, 2.0]]]
