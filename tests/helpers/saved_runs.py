"""What is said when a stranger's run is refused."""

from __future__ import annotations

import pytest

from ssl_pipeline.config.compose import compose
from ssl_pipeline.training import run


def refused(call) -> str:
    """What is said, in which there is no word of how to let it through."""
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    said = str(caught.value)
    assert "trust=" not in said and "trust:" not in said
    return said


def resumed(folder) -> str:
    return refused(lambda: run(compose([f"resume={folder}", "trainer.max_steps=3"]), str(folder)))
