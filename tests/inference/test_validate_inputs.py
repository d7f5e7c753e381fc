"""What users pass to a model: it works, or a sentence says what is expected."""

from __future__ import annotations

import warnings
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from helpers.inverse_models import CONV, GRAPHS, IMAGE, TEXT, X, holes, model
from PIL import Image

from ssl_pipeline.data import Bytes, LogMel, Pixels, TableCodec, Waveform
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.validate_inputs import samples
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.grid import GridSpec

PIXELS = Pixels(size=8, channels=1)
U = (X * 255).round().to(torch.uint8)
HOLES = holes()
NAN = X.masked_fill(HOLES.unsqueeze(1), float("nan"))
TRANSLATOR = [*CONV, "corruption=noise+lowres", "objective=reconstruct+reconstruct"]
TRANSLATOR += ["objective.reconstruct_2.to=lowres"]
SOUND = "encoder.widths=[8,16]", "decoder.widths=[8,8]", "corruption=noise"


@pytest.fixture
def unchecked():
    """Annotations are not looked at, as outside the tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def images():
    return model(*CONV, "corruption=mask+noise+lowres-noise", codec=PIXELS)


@pytest.fixture(scope="module")
def texts():
    codec = Bytes(length=16)
    return model(*TEXT, "corruption=mask+noise", grid=codec.grid, codec=codec)


def of_sound(codec):
    return model(*SOUND, grid=codec.grid, codec=codec)


@pytest.fixture(scope="module")
def sounds():
    return of_sound(Waveform(rate=1000, seconds=0.064))


@pytest.mark.parametrize("name", ["conv", "keep", "vit"])
def test_not_even_nan_in_a_hole_matters(name):
    whole = model(*GRAPHS[name])
    restored = whole.restore(NAN, "mask", HOLES)
    assert torch.equal(restored, whole.restore(X, "mask", HOLES))
    assert torch.equal(whole.embed(NAN, view="mask", mask=HOLES), whole.embed(X, view="mask", mask=HOLES))
    front, _ = whole.split("latent", "mask")
    with torch.no_grad():
        passing, wanted = (front(x, HOLES) for x in (NAN, X))
    pairs = zip(passing, wanted, strict=True) if isinstance(passing, tuple) else [(passing, wanted)]
    assert all(torch.equal(*pair) for pair in pairs)


def test_symbols_in_a_hole_may_be_none_of_the_vocabulary(texts):
    x, valid = texts.codec.encode(["a few words"])
    mask = torch.arange(16).expand(1, 16) == 3
    wrong = x.masked_fill(mask, -7)
    assert torch.equal(texts.restore(wrong, "mask", mask, valid), texts.restore(x, "mask", mask, valid))
    with pytest.raises(ValueError, match="expected symbols from 0 to 257, got -7 to 256: use the run's own codec"):
        texts.embed(wrong)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_elsewhere_is_refused(images, sounds, value):
    x = X.clone()
    x[3, 0, 7, 7] = value
    with pytest.raises(ValueError, match="expected finite values, got NaN or infinity in sample 3"):
        images.embed(x)
    with pytest.raises(ValueError, match="expected finite values outside the holes, got NaN or infinity in sample 3"):
        images.restore(x, "mask", HOLES)
    with pytest.raises(ValueError, match="got NaN or infinity in number 1"):
        sounds.embed([torch.zeros(64), torch.full((64,), value)])


@pytest.mark.parametrize(
    ("x", "found"),
    [
        (2 * X - 1, r"got -0\.9\d* to 0\.9\d*: bring them into this range"),
        (255 * X, r"got .* to 25\d\.\d*: pass uint8, or divide by 255"),
        (6 * X, r"got .* to 5\.99\d*: pass uint8"),
        (torch.where(X < 0.98, 0.0, 6.0), "got 0 to 6: pass uint8"),
        (X - 1000, r"got -999\.\d* to -999"),
        ((X - X.mean()) / X.std(), "got -1.* to 1.*: bring them into this range"),
        (X + 1, r"got 1\.01\d* to 1\.99"),
    ],
)
def test_another_range_is_refused_with_what_was_found(images, x, found):
    for some in (x, x.double(), x.numpy()):
        with pytest.raises(ValueError, match=r"expected floats in \(0.0, 1.0\), " + found):
            images.embed(some)


def test_what_is_hidden_does_not_dilute_another_range(images):
    most = torch.arange(8).expand(5, 8, 8) < 6
    with pytest.raises(ValueError, match=r"got -0\.\d* to 0\.99"):
        images.restore(2 * X - 1, "mask", most)


def views_of(whole, x, valid=None):
    for step in range(5):
        corrupted = whole.graph.corrupt(Batch(x, torch.arange(len(x)), valid=valid), step=step, whole=True)
        yield from corrupted.views.items()


BLACK = torch.zeros(5, 1, 8, 8)


@pytest.mark.parametrize("x", [X, BLACK, 1 - BLACK, (X > 0.8).float()], ids=["random", "black", "white", "strokes"])
@pytest.mark.parametrize("noise", ["[0,0.5]", "0.5", "2"])
def test_views_of_images_are_no_other_range(noise, x):
    sigma = [f"corruption.{name}={noise}" for name in ("noise.sigma", "lowres-noise.noise.sigma")]
    whole = model(*CONV, "corruption=mask+noise+lowres-noise", *sigma)
    seen = []
    for name, view in views_of(whole, x):
        seen.append(name)
        assert whole.embed(view.x, view=name, mask=view.mask).isfinite().all()
        if noise != "2":  # as far as is let through of a damage that is not named
            assert whole.embed(view.x).isfinite().all()
    assert seen == 5 * ["mask", "noise", "lowres-noise"]


@pytest.mark.parametrize("kind", [Waveform, LogMel])
@pytest.mark.parametrize("loud", [0.0, 0.01, 1.0])
def test_views_of_sounds_are_no_other_range(kind, loud):
    codec = kind(rate=8000, seconds=0.08)
    whole = model("encoder.widths=[8,16]", "decoder.widths=[8,8]", "corruption=mask+noise+lowres", grid=codec.grid)
    wave = loud * torch.sin(torch.arange(640) * torch.tensor([[0.1], [0.5], [1.0]]))
    x, valid = codec.encode([*wave, wave[0, :300]])
    seen = []
    for name, view in views_of(whole, x, valid):
        seen.append(name)
        assert whole.embed(view.x, view.valid, view=name, mask=view.mask).isfinite().all()
    assert seen == 5 * ["mask", "noise", "lowres"]


def test_sounds_of_another_range_are_refused():
    whole = of_sound(LogMel(rate=8000, seconds=0.08))
    with pytest.raises(ValueError, match=r"expected recordings .* got .* in number 0: divide by full scale"):
        whole.embed([1000 * torch.randn(640)])
    with pytest.raises(ValueError, match=r"expected floats in .* got -80 to .*: bring them into this range"):
        whole.embed(torch.linspace(-80, 0, 40 * 8).view(1, 1, 40, 8))
    assert whole.embed([1.5 * torch.sin(torch.arange(640) / 9)]).shape[0] == 1


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
    with pytest.raises(ValueError, match=f"device={name}: .*: take another, such as cpu") as raised:
        images.to(name)
    assert len(str(raised.value)) < 160 and images.device.type == "cpu"


def test_the_first_half_takes_arrays_and_says_what_it_expects(images, texts):
    front, _ = images.split("latent", "mask")
    with torch.no_grad():
        wanted = front(X, HOLES)
        for x, mask in ((X.numpy(), HOLES.numpy()), (X, HOLES[0]), (X, HOLES.unsqueeze(1).byte())):
            assert torch.equal(front(x, mask), wanted)
    wrong = X[:, :, :4]
    said = []
    for call in (lambda: front(wrong, HOLES), lambda: images.embed(wrong)):
        with pytest.raises(ValueError, match=r"expected samples of shape \(B, 1, 8, 8\), got \(5, 1, 4, 8\)") as one:
            call()
        said.append(str(one.value))
    assert said[0] == said[1]
    with pytest.raises(ValueError, match="expected symbols as int64"):
        texts.split()[0](torch.rand(2, 16))


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        ("2", "factor as one finite number or 5, one a sample, got '2'"),
        (None, "got None"),
        ([2.0, 4.0], r"got an array of shape \(2,\)"),
        (torch.ones(5, 1), r"got an array of shape \(5, 1\)"),
        (float("nan"), "got nan"),
        (torch.tensor([2.0, 2.0, float("inf"), 2.0, 2.0]), "got inf"),
    ],
)
def test_what_a_damage_is_told_is_a_number(unchecked, factor, words):
    whole = model(*TRANSLATOR)
    with pytest.raises(ValueError, match=words):
        whole.translate(X, "noise", "lowres", factor=factor)
    for same in (np.float32(2), np.full(5, 2), [2] * 5):
        assert torch.equal(
            whole.translate(X, "noise", "lowres", factor=same), whole.translate(X, "noise", "lowres", factor=2)
        )


@pytest.mark.parametrize(
    "same", [HOLES.byte(), HOLES.numpy(), HOLES.unsqueeze(1), HOLES[0], HOLES[0].numpy().astype(np.uint8)]
)
def test_holes_in_all_their_forms(images, same):
    assert torch.equal(images.restore(X, "mask", same), images.restore(X, "mask", HOLES))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (HOLES.byte() * 255, r"of shape \(5, 8, 8\) and bool, got .*uint8: pass mask > 0"),
        (HOLES.float(), r"of shape \(5, 8, 8\) and bool, got .*float32: pass mask > 0"),
        (HOLES.long(), "pass mask > 0"),
        (HOLES[:3], r"of shape \(5, 8, 8\) and bool, got \(3, 8, 8\)"),
        (HOLES[0, 0], r"or one mask \(8, 8\) for all"),
        ("holes", "expected mask as an array or tensor of numbers, got str"),
    ],
)
def test_other_holes_are_refused(images, unchecked, wrong, words):
    with pytest.raises(ValueError, match=words):
        images.restore(X, "mask", wrong)


def test_one_mask_of_a_line_is_for_all(texts):
    x, valid = texts.codec.encode(["a few words", "and more"])
    mask = torch.arange(16) == 3
    each = mask.expand(2, 16)
    assert torch.equal(texts.restore(x, "mask", mask, valid), texts.restore(x, "mask", each, valid))


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


def test_a_grid_that_swings_around_zero_has_its_own_range():
    grid = GridSpec.of(("y", 8), ("x", 8), channels=1, range=(-1.0, 1.0))
    assert IMAGE.range != grid.range
    assert model(*CONV, "corruption=noise", grid=grid).embed(2 * X - 1).shape == (5, 64)


def test_rows_of_a_table_are_samples_with_or_without_the_axis_of_channels():
    grid = GridSpec.of(("feature", 2), channels=1)
    rows = torch.tensor([[1.0, 2.0]])
    assert samples(rows, None, grid)[0].tolist() == [[[1.0, 2.0]]]
    codec = TableCodec(["a", "b"], [1.0, 0.0], [1.0, 2.0], (-1.0, 1.0))
    assert samples(rows, codec, codec.grid)[0].tolist() == [[[0.0, 1.0]]]
    assert samples(rows.unsqueeze(1), codec, codec.grid)[0].tolist() == [[[1.0, 2.0]]]
