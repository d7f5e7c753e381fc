"""Shapes in annotations are checked while the tests run."""

import os
from pathlib import Path

import pytest

# The models of the tests are so small that a second thread only waits.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

# An int will do where a float is asked for (PEP 484's numeric tower).
install_import_hook("ssl_pipeline", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

# Doctests are looked for in every module, and these would all be one: the name is the same in every folder.
collect_ignore_glob = ["*conftest.py"]


@pytest.fixture(autouse=True, scope="session")
def no_kept_baselines():
    """Runs of the tests neither find scores of baselines nor keep any, unless they mean to, or start a process."""
    from ssl_pipeline.evaluation import baselines

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "baselines_folder", lambda: Path("/dev/null"))  # in which nothing can be kept
        yield
