"""One sentence where a package is missing that only some data need."""

import sys
from functools import partial

import pytest

from ssl_pipeline.data import BPE, audio_folder, gym, hf, hf_audio, hf_text, librispeech, speech_commands, tones
from ssl_pipeline.data.named.pydoc import pydoc


@pytest.mark.parametrize(
    ("package", "extra", "work"),
    [
        ("soundfile", "audio", partial(audio_folder, "missing")),
        ("soundfile", "audio", partial(hf_audio, "missing")),
        ("soundfile", "audio", partial(librispeech, "missing")),
        ("soundfile", "audio", partial(speech_commands, "missing")),
        ("torchaudio", "audio", tones),
        ("tokenizers", "text", partial(BPE.train, ["a text"], 8, 300)),
        ("tokenizers", "text", partial(pydoc, tokens="bpe")),
        ("datasets", "hf", partial(hf, "missing")),
        ("datasets", "hf", partial(hf_text, "missing")),
        ("gymnasium", "world", partial(gym, "CartPole-v1")),
        ("datasets", "world", partial(gym, "CartPole-v1")),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package, extra, work):
    if (package, extra) == ("datasets", "world"):  # asked for second
        pytest.importorskip("gymnasium")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=rf"needs {package}: pip install 'ssl_pipeline\[{extra}\]'"):
        work()
