"""A run and images for commands, and a small stand-in for ``conf``."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.exports import CONV, folder_of_a_run
from helpers.fixtures import no_caches, no_pages  # noqa: F401
from helpers.small_conf import conf, mine  # noqa: F401
from PIL import Image


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return folder_of_a_run(tmp_path_factory.mktemp("conv") / "run", *CONV, "data=digits", "corruption=noise+mask")


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for i, (height, width) in enumerate([(8, 8), (20, 13), (9, 30)]):
        place = folder / "sub" if i == 2 else folder
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(place / f"{i}.png")
    return folder
