"""Folders of small files."""

import pytest
from helpers.fixtures import no_caches  # noqa: F401
from helpers.images import picture
from helpers.sounds import note
from helpers.texts import TEXTS

from ssl_pipeline.data import BPE


@pytest.fixture
def image_tree(tmp_path):
    """Two classes of ten images in many forms."""
    forms = [("png", "RGB"), ("png", "L"), ("png", "RGBA"), ("png", "P"), ("gif", "P"), ("jpg", "RGB"), ("jpeg", "L")]
    forms += [("bmp", "RGB"), ("tif", "RGB"), ("webp", "RGB")]
    for name in ("cat", "dog"):
        (tmp_path / "images" / name / "deep").mkdir(parents=True)
        for number, (ending, mode) in enumerate(forms):
            place = tmp_path / "images" / name / ("deep" if number % 2 else ".")
            picture(mode, (20 + number, 30)).save(place / f"{number}.{ending}")
    (tmp_path / "images" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "images" / "cat" / "._0.png").write_text("no image either")
    return tmp_path / "images"


@pytest.fixture
def sound_tree(tmp_path):
    """Two languages of six sentences, a second and a half each, in many forms."""
    root = tmp_path / "speech"
    for k, language in enumerate(("en", "fr")):
        for number in range(6):
            kind = ("wav", "flac", "ogg")[number % 3]
            place = root / language / ("deep" if number % 2 else ".")
            note(place / f"{number}.{kind}", 1.5, hertz=200 + 100 * number + 50 * k, channels=1 + number % 2)
    (root / "en" / "notes.txt").write_text("no recording")
    (root / "en" / "._0.wav").write_text("no recording either")
    return root


@pytest.fixture(scope="module")
def bpe():
    return BPE.train(TEXTS * 3, length=400, vocab_size=330)
