"""A run whose parts are exported."""

from __future__ import annotations

import pytest
from helpers.exports import CONV, TRANSLATOR, folder_of_a_run


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return folder_of_a_run(tmp_path_factory.mktemp("conv") / "run", *CONV, *TRANSLATOR, "corruption=noise+lowres+mask")
