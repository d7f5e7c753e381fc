"""What an export says of how files become samples, done as it says."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from helpers.cards import code_of, image_files, run_elsewhere, sound_files
from helpers.deep_images import wave
from helpers.exports import CONV, folder_of_a_run, ssl
from helpers.small_models import VIT
from helpers.texts import TEXTS
from PIL import Image
from safetensors import safe_open
from torch.nn.functional import cosine_similarity

import ssl_pipeline as sslp
from ssl_pipeline.data import BPE, Bytes, Clips, LogMel, Pixels, TableCodec, Waveform
from ssl_pipeline.data.io.image_file import save_pixels
from ssl_pipeline.data.preprocessing.base import ArrayPreprocessing, Preprocessing
from ssl_pipeline.data.preprocessing.image import ImagePreprocessing
from ssl_pipeline.data.preprocessing.sound import SoundPreprocessing
from ssl_pipeline.exporting import export_part
from ssl_pipeline.exporting.centre_square import centre_square
from ssl_pipeline.exporting.from_pixels import FromPixels, from_pixels, nearness
from ssl_pipeline.structures.batch import as_float
from ssl_pipeline.structures.grid import GridSpec

WORDS = [*VIT, "corruption=noise+mask", "corruption.mask.cell=1", "objective=cross_entropy", "data=pydoc"]
KINDS = {
    "images": ([*CONV, "corruption=noise"], Pixels(16, 3)),
    "grey": ([*CONV, "corruption=noise"], Pixels(16, 1)),
    "waveform": ([*CONV, "corruption=noise"], Waveform(rate=200, seconds=1)),
    "log_mel": ([*CONV, "corruption=noise"], LogMel(rate=1000, seconds=1, mels=8)),
    "bytes": (WORDS, Bytes(24)),
    "bpe": (WORDS, BPE(24, [[32, 116], [116, 104], [257, 101], [208, 181], [104, 101], [116, 260], [101, 32]])),
    "table": ([*VIT, "corruption=noise"], TableCodec(["a", "b"], [1.0, -2.0], [3.0, 0.5], [-1.0, 1.0], fill=True)),
}
SPANS = {np.uint8: (0, 255), np.uint16: (0, 65535), np.int32: (-5000, 5000), np.float32: (-5, 5)}
TABLE = [[4.0, float("nan")], [0.0, -2.5]]


def a_run(kind: str, tmp_path: Path) -> Path:
    words, codec = KINDS[kind]
    return folder_of_a_run(tmp_path / "run", *words, codec=codec)


def things(kind: str, tmp_path: Path) -> dict[str, list]:
    """What the card's code reads, in its own names."""
    if kind in ("images", "grey"):
        return {"files": image_files(tmp_path / "files")}
    if kind in ("waveform", "log_mel"):
        return {"files": sound_files(tmp_path / "files", KINDS[kind][1].rate)}
    return {"texts": TEXTS} if kind != "table" else {}


def embedded(live: sslp.Model, kind: str, tmp_path: Path) -> torch.Tensor:
    """What ``embed`` makes of the same."""
    if kind in ("bytes", "bpe", "table"):
        return live.embed(TEXTS if kind != "table" else torch.tensor(TABLE))
    out = sslp.embed(live, source=tmp_path / "files", out=tmp_path / "embedded.npz")
    return torch.from_numpy(np.load(out)["embedding"])


def centred_cosine(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(cosine_similarity(found - wanted.mean(0), wanted - wanted.mean(0)).min())


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_of_a_card_reads_files_as_embed_does(kind, tmp_path):
    live, out = sslp.load(a_run(kind, tmp_path)), tmp_path / "out"
    export_part(live, "encoder", out)
    code = code_of(out, **things(kind, tmp_path))
    if kind == "table":
        code = code.replace('np.array([about["mean"]])', f"np.array({TABLE})".replace("nan", "np.nan"))
    found = run_elsewhere(code.partition("# and through the model")[0], out, tmp_path)
    valid = torch.from_numpy(found["valid"]) if "valid" in found else None
    features, wanted = live.embed(torch.from_numpy(found["x"]), valid), embedded(live, kind, tmp_path)
    if kind in ("images", "grey"):  # whose pixels are one of 255 steps off here and there
        assert centred_cosine(features, wanted) > 0.9999 and len(wanted) == 7
    else:
        assert torch.allclose(features, wanted, atol=1e-4) and len(wanted) > 1
    assert not torch.allclose(wanted[0], wanted[1], atol=1e-2)
    about = json.loads((out / "preprocessor_config.json").read_text())
    with safe_open(out / "weights.safetensors", "pt") as file:
        assert json.loads(file.metadata()["preprocessing"]) == about


def test_the_words_of_an_image_processor_are_those_of_hugging_face(tmp_path):
    export_part(sslp.load(a_run("images", tmp_path)), "encoder", tmp_path / "out")
    about = json.loads((tmp_path / "out/preprocessor_config.json").read_text())
    assert about["do_resize"] and about["size"] == {"shortest_edge": 16} and about["resample"] == 3
    assert about["do_rescale"] and about["rescale_factor"] == 1 / 255 and about["background"] == "white"
    assert not about["do_normalize"] and about["image_mean"] == [0.0] * 3 and about["image_std"] == [1.0] * 3


@pytest.mark.parametrize(
    ("codec", "write", "words"),
    [
        (Pixels(8, 1), lambda file: Image.new("I;16", (9, 9)).save(f"{file}.png"), "one image of 8 bits a channel"),
        (Waveform(100, 1), lambda file: soundfile.write(f"{file}.wav", np.zeros(50), 99), "expected sound at 100 samp"),
        (Clips(8, 1, 3, 4), lambda file: np.save(f"{file}.npy", np.zeros((2, 9, 9, 1), np.uint8)), "3 or more frames"),
    ],
)
def test_the_code_of_a_card_refuses_what_it_would_read_otherwise(codec, write, words, tmp_path):
    write(tmp_path / "file")
    [file] = tmp_path.iterdir()
    with pytest.raises(ValueError, match=words):
        read_by(codec.preprocessing(), file)


def read_by(how: Preprocessing, file: Path) -> np.ndarray:
    """What the code of a record makes of a file."""
    names: dict = {}
    code = how.code()
    for name in ("image.png", "recording.wav", "frames.npy", "samples.npy"):
        code = code.replace(f'"{name}"', repr(str(file)))
    exec(code, names)
    return names["x"]


def test_bands_pages_and_ranges_of_files_are_read(tmp_path):
    four = Image.new("RGBA", (9, 12), (51, 102, 153, 0))  # a measured band, which is no transparency
    four.save(tmp_path / "four.png")
    x = read_by(ImagePreprocessing(8, 4), tmp_path / "four.png")
    assert x.shape == (1, 4, 8, 8) and np.allclose(x.mean((0, 2, 3)), [0.2, 0.4, 0.6, 0.0])
    pages = [Image.new("F", (10, 9), value) for value in (-2000.0, 0.0, 1000.0)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    how = ImagePreprocessing(8, 3, values=(-1000, 3000), pages=3)
    assert np.allclose(read_by(how, tmp_path / "pages.tif").mean((0, 2, 3)), [0, 0.25, 0.5])
    pages[2].save(tmp_path / "one.tif")
    one = read_by(ImagePreprocessing(8, 3, values=(-1000, 3000)), tmp_path / "one.tif")  # grey as three channels
    assert one.shape == (1, 3, 8, 8) and one.dtype == np.float32 and np.allclose(one, 0.5)
    soundfile.write(tmp_path / "loud.wav", np.full(10, 30.0), 10, subtype="FLOAT")
    wave = read_by(SoundPreprocessing(10, 5, full_scale=40.0), tmp_path / "loud.wav")
    assert wave.shape == (2, 1, 5) and np.allclose(wave, 0.75)


@pytest.mark.parametrize(
    ("codec", "kind"),
    [
        (Pixels(8, 1, range=(-1000, 3000)), np.int32),
        (Pixels(8, 3, range=(0, 4095)), np.uint16),
        (Pixels(8, 2, range=(0.5, 2.5), pages="channels"), np.float32),
        (Pixels(8, 5, pages="channels"), np.uint8),
        (Pixels(8, 4), np.uint8),
    ],
)
def test_files_are_read_in_the_range_of_a_codec(codec, kind, tmp_path):
    pages, (low, high) = codec.channels if codec.pages == "channels" else 1, codec.range or (0, 255)
    values = (low - 10 + (high - low + 20) * wave(3, 20, max(pages, codec.channels))[:, 4:]).clip(*SPANS[kind])
    values = values.astype(kind)[..., : 4 if codec.channels == 4 else pages]
    save_pixels(tmp_path / "a", values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values outside the range are named
        wanted, _ = codec.encode([tmp_path / "a"])
    found = read_by(codec.preprocessing(), tmp_path / "a")
    step = 1e-4 if codec.range else 1.01 / 255
    np.testing.assert_allclose(found, as_float(wanted, codec.grid), atol=step)
    assert found.std() > 0.1


def test_recordings_are_read_at_the_full_scale_of_a_codec(tmp_path):
    soundfile.write(tmp_path / "a.wav", 30 * wave(1, 100)[0, :, 0], 100, subtype="FLOAT")
    codec = Waveform(100, 1, range=(-40, 40))
    found = read_by(codec.preprocessing(), tmp_path / "a.wav")
    np.testing.assert_allclose(found, codec.encode([tmp_path / "a.wav"])[0], atol=1e-6)


def test_frames_and_arrays_are_read(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (5, 20, 30, 3), dtype=np.uint8)
    np.save(tmp_path / "frames.npy", frames)
    clips = Clips(8, 3, 2, fps=4)
    found = torch.tensor(read_by(clips.preprocessing(), tmp_path / "frames.npy"))
    wanted = torch.cat([clips.encode([frames[start : start + 2]])[0] for start in (0, 2)])
    assert found.shape == wanted.shape and ((found * 255) - wanted).abs().max() < 1.01
    grid = GridSpec.of(("y", 4), ("x", 6), channels=2, range=(-1.0, 1.0))
    bytes_ = torch.randint(256, (3, 2, 4, 6), dtype=torch.uint8)
    np.save(tmp_path / "samples.npy", bytes_.numpy())
    assert np.allclose(read_by(ArrayPreprocessing(grid), tmp_path / "samples.npy"), as_float(bytes_, grid), atol=1e-6)
    np.save(tmp_path / "other.npy", np.zeros((3, 2, 4, 5)))
    with pytest.raises(ValueError, match=r"expected samples of shape \(B, 2, 4, 6\), got \(3, 2, 4, 5\)"):
        read_by(ArrayPreprocessing(grid), tmp_path / "other.npy")


def test_pixels_of_any_size_are_resized_as_pil_does_it():
    drawn = torch.Generator().manual_seed(0)
    for height, width in ((31, 47), (60, 20), (8, 8), (5, 90)):
        pixels = torch.randint(256, (2, height, width, 3), dtype=torch.uint8, generator=drawn)
        side, images = min(height, width), [Image.fromarray(one.numpy()) for one in pixels]
        box = ((width - side) // 2, (height - side) // 2, (width - side) // 2 + side, (height - side) // 2 + side)
        wanted = np.stack([one.crop(box).resize((8, 8), Image.Resampling.BICUBIC) for one in images])
        off = (centre_square(pixels.permute(0, 3, 1, 2).float(), 8) - torch.tensor(wanted).permute(0, 3, 1, 2)).abs()
        assert off.max() <= 1 and (off > 0).float().mean() < 0.01


class Blurred(Pixels):
    """A codec that sees every second pixel alone."""

    def encode(self, raw):
        return super().encode(raw)[0][..., ::2].repeat_interleave(2, -1), None


def test_an_encoder_of_pixels_gives_what_embed_does_or_is_refused(tmp_path):
    live, codec = sslp.load(a_run("images", tmp_path)), KINDS["images"][1]
    encoder = FromPixels(live.part("encoder"), codec.preprocessing())
    assert nearness(encoder, codec, encoder.trials()) > 0.999
    with pytest.raises(ValueError, match=r"cosine of .* to those of embed, expected at least 0\.999"):
        nearness(encoder, Blurred(16, 3), encoder.trials())


def test_preprocess_is_refused_where_there_are_no_pixels(tmp_path):
    text = sslp.load(folder_of_a_run(tmp_path / "text", *WORDS, codec=Bytes(24)))
    image = sslp.load(a_run("images", tmp_path))
    for model, part, format, words in (
        (text, "encoder", "onnx", "preprocess=true is of encoders and teachers of images"),
        (image, "restorer:noise", "onnx", "preprocess=true is of encoders and teachers of images"),
        (image, "encoder", "safetensors", "in torch_export and onnx: set one of these formats"),
    ):
        with pytest.raises(ValueError, match=words):
            export_part(model, part, tmp_path / "out", format=format, preprocess=True)
        assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="is of images of 8 bits a channel"):
        from_pixels(image.part("encoder"), {"": ImagePreprocessing(16, 3, values=(0, 4095))}, "onnx", None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["images", "pixels", "log_mel", "bpe"])
def test_the_code_of_a_card_runs_an_onnx_model_without_torch(kind, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    of = "images" if kind == "pixels" else kind
    run, out = a_run(of, tmp_path), tmp_path / "out"
    inside = kind == "pixels"
    ssl("export", f"run={run}", "format=onnx", f"out={out}", f"preprocess={str(inside).lower()}")
    given = things(of, tmp_path)
    parts = [{"files": [file]} for file in given["files"]] if inside else [given]  # each image has a size of its own
    found = [run_elsewhere(code_of(out, **some), out, tmp_path)["embeddings"] for some in parts]
    features, wanted = torch.from_numpy(np.concatenate(found)), embedded(sslp.load(run), of, tmp_path)
    assert centred_cosine(features, wanted) > 0.999 and features.shape == wanted.shape
    told = onnxruntime.InferenceSession(out / "model.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(told["preprocessing"]) == json.loads((out / "preprocessor_config.json").read_text())


@pytest.mark.slow
def test_torch_exports_an_encoder_of_pixels_of_any_size(tmp_path):
    run, out = a_run("images", tmp_path), tmp_path / "out"
    ssl("export", f"run={run}", "format=torch_export", f"out={out}", "preprocess=true")
    told = {"preprocessing": ""}
    model, live = torch.export.load(out / "model.pt2", extra_files=told).module(), sslp.load(run)
    assert json.loads(told["preprocessing"])["input"] == "pixels (B, H, W, C) uint8"
    for height, width in ((16, 16), (7, 30), (200, 120)):
        pixels = np.random.default_rng(height).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
        wanted = live.embed([Image.fromarray(one) for one in pixels])
        found = model(pixels=torch.from_numpy(pixels)).detach()
        assert float(cosine_similarity(found, wanted).min()) > 0.999
