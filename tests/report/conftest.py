"""Its tests train runs, and look at one that has ended."""

from __future__ import annotations

import pytest
from helpers.fixtures import no_caches, no_pages  # noqa: F401
from helpers.reports import KINDS, PROBED

from ssl_pipeline.config.compose import compose
from ssl_pipeline.training import run


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / "run"
    run(compose([*PROBED, *KINDS["images"]]), str(folder))
    return folder
