"""Models of images, texts and sounds."""

import jaxtyping
import pytest
from helpers.inverse_models import CONV, PIXELS, TEXT, model, of_sound

from ssl_pipeline.data import Bytes, Waveform


@pytest.fixture
def unchecked():
    """Annotations are not looked at, as outside the tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="module")
def images():
    return model(*CONV, "corruption=mask+noise+lowres-noise", codec=PIXELS)


@pytest.fixture(scope="module")
def texts():
    codec = Bytes(length=16)
    return model(*TEXT, "corruption=mask+noise", grid=codec.grid, codec=codec)


@pytest.fixture(scope="module")
def sounds():
    return of_sound(Waveform(rate=1000, seconds=0.064))
