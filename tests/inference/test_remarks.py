"""Files that are read otherwise than they may be meant are warned of, and listed with the results."""

import pytest
from PIL import Image

from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.inference.files.reader import REMARKED, Files


def test_an_image_of_8_bits_under_a_deep_range_is_said_and_listed(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir(), out.mkdir()
    Image.new("L", (8, 8), 200).save(source / "copy.png")
    Image.new("I;16", (8, 8), 40_000).save(source / "deep.png")
    for _ in range(2):
        files = Files(Pixels(8, 1, range=(0.0, 65_535.0)), source)
        assert len([*files.windows()]) == 2
        with pytest.warns(
            UserWarning, match=r"1 of 2 images have 8 bits, .*: copy\.png; .* which makes them dark: use"
        ):
            files.check(out)
        (line,) = (out / REMARKED).read_text().splitlines()
        assert line == "copy.png: have 8 bits, and the range of the model or set ends above 255"
