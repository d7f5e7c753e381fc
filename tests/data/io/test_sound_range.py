"""Recordings of floats that leave full scale, or hardly leave silence."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from helpers.sounds import sine

from ssl_pipeline.data import Waveform, audio_folder
from ssl_pipeline.data.io.sound import read_sound

WHOLE = {"seconds": 0.5, "features": "waveform", "split": {"holdout": 0}}


def tones(folder, loud, count=6, **kwargs):
    for number in range(count):
        soundfile.write(folder / f"{number}.wav", sine(0.5, hertz=200 + 50 * number, loud=loud), 8000, **kwargs)
    return str(folder)


@pytest.mark.parametrize(("loud", "kind"), [(20.0, "DOUBLE"), (1e-4, "FLOAT")])
def test_a_sine_stays_a_sine(loud, kind, tmp_path):
    data = audio_folder(tones(tmp_path, loud, subtype=kind), **WHOLE)
    assert data.codec.range == pytest.approx((-loud, loud), rel=0.01) and data.grid.range == (-1, 1)
    x = data.train[[3]].x[0, 0].numpy()
    np.testing.assert_allclose(x * data.codec.full_scale, sine(0.5, hertz=350, loud=loud), atol=loud / 10_000)
    file = data.codec.write(tmp_path / "back", data.train[[3]].x[0])
    assert soundfile.info(str(file)).subtype == "FLOAT"
    np.testing.assert_allclose(read_sound(file).wave, sine(0.5, hertz=350, loud=loud), atol=loud / 10_000)
    again, _ = data.codec.encode([file])
    np.testing.assert_allclose(again[0, 0], x, atol=1e-4)


@pytest.mark.parametrize("kwargs", [{"subtype": "PCM_16"}, {"subtype": "PCM_24"}, {"subtype": "FLOAT"}])
def test_full_scale_is_1_where_nothing_leaves_it(kwargs, tmp_path):
    assert audio_folder(tones(tmp_path, 0.5, **kwargs), **WHOLE).codec == Waveform(8000, 0.5)


def test_what_lies_beyond_full_scale_is_named(tmp_path):
    root = tones(tmp_path, 3.0, subtype="FLOAT")
    with pytest.warns(UserWarning, match=r"6 of 6 recordings hold values outside the range: .*0.wav \(up to 3, .* 2\)"):
        data = audio_folder(root, range=[-2, 2], **WHOLE)
    assert data.codec.range == (-2, 2) and data.train[[0]].x.max() == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match=r"expected data.range=\[-a,a\] of sound"):
        audio_folder(root, range=[-1, 2], **WHOLE)
    assert audio_folder(root, range=None, **{**WHOLE, "features": "logmel"}).codec.range is None
