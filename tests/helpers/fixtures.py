"""Fixtures of several folders; a folder's conftest.py imports those that it needs."""

from __future__ import annotations

import importlib.util
from math import inf

import pytest
from helpers.paths import SCRIPTS


@pytest.fixture(autouse=True)
def no_pages(request, monkeypatch):
    """Runs of the tests end without their page, which takes longer than they do; those marked ``page`` make it."""
    if "page" not in request.keywords:
        from ssl_pipeline.training.stages import report

        monkeypatch.setattr(report, "write_report", lambda *_, **__: None)


@pytest.fixture(autouse=True)
def no_caches(monkeypatch):
    """However slow the machine, tests leave no file in the user's cache unless they mean to, or start a process."""
    from ssl_pipeline.data.cache import decode_cache as once

    monkeypatch.setattr(once, "PATIENCE", inf)


@pytest.fixture
def script(monkeypatch):
    """Imports a script by name."""

    def load(name):
        monkeypatch.syspath_prepend(str(SCRIPTS))
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
