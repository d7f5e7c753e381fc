"""Shapes in annotations are checked while the tests run."""

import os
from math import inf

# The models of the tests are so small that a second thread only waits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from jaxtyping import install_import_hook

# An int will do where a float is asked for (PEP 484's numeric tower).
install_import_hook("ssl_pipeline", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")


@pytest.fixture(autouse=True)
def _no_pages(request, monkeypatch):
    """Runs of the tests end without their page, which takes longer than they do; those marked ``page`` make it."""
    if "page" not in request.keywords:
        from ssl_pipeline.training import runner

        monkeypatch.setattr(runner, "write_report", lambda *_, **__: None)


@pytest.fixture(autouse=True)
def _no_caches(monkeypatch):
    """However slow the machine, tests leave no file in the user's cache unless they mean to, or start a process."""
    from ssl_pipeline.data.cache import decode_cache as once

    monkeypatch.setattr(once, "PATIENCE", inf)
