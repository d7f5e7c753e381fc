"""A run that has ended."""

from __future__ import annotations

import pytest
from helpers.fixtures import no_caches, no_pages  # noqa: F401
from helpers.runs import configured

from ssl_pipeline.training import run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    summary = run(configured("trainer.max_steps=25", "probe.protocol.few_shot=3", "probe.online=1"), str(folder))
    return folder, summary
