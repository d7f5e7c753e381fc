"""A folder as a run leaves it, and images of one's own."""

import pytest
import torch
from helpers.exports import CONV, folder_of_a_run
from helpers.fixtures import no_caches, no_pages  # noqa: F401
from PIL import Image


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return folder_of_a_run(tmp_path_factory.mktemp("conv") / "run", *CONV, "data=digits", "corruption=noise+mask")


@pytest.fixture
def images(tmp_path):
    pixels = torch.randint(256, (3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    (tmp_path / "images").mkdir()
    for i, image in enumerate(pixels.numpy()):
        Image.fromarray(image).save(tmp_path / f"images/{i}.png")
    return tmp_path / "images"
