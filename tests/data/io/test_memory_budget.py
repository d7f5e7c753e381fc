"""Memory that threads share."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from subprocess import run

import numpy as np
import pytest
from PIL import Image

from ssl_pipeline.data.codecs.image import Pixels, read_image, to_pixels
from ssl_pipeline.data.io import eight_bits as bits_module
from ssl_pipeline.data.io import squares as squares_module
from ssl_pipeline.data.io.memory_budget import MemoryBudget


def test_no_more_is_taken_than_there_is():
    budget, lock, now, most = MemoryBudget(100), threading.Lock(), [], []

    def work(amount):
        with budget.taken(amount):
            with lock:
                now.append(amount)
                most.append(sorted(now))
            threading.Event().wait(0.002)
            with lock:
                now.remove(amount)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [40, 60, 1000, 30, 30, 30, 100, 10] * 4))
    assert budget.free == 100
    assert all(sum(some) <= 100 or some == [1000] for some in most)
    assert any(len(some) > 1 for some in most) and [1000] in most


def test_it_is_given_back_after_an_error():
    budget = MemoryBudget(10)
    with pytest.raises(RuntimeError), budget.taken(7):
        raise RuntimeError
    assert budget.free == 10


def test_an_image_takes_what_its_header_says(tmp_path, monkeypatch):
    taken = []

    class Noted(MemoryBudget):
        def taken(self, amount):
            taken.append(amount)
            return super().taken(amount)

    Image.new("RGB", (1600, 800)).save(tmp_path / "a.png")
    Image.new("RGB", (1600, 800)).save(tmp_path / "a.jpg")
    for name in ("a.png", "a.jpg"):
        read_image(tmp_path / name, Pixels(16, 3), budget=Noted())
    assert taken == [16 * 1600 * 800, 16 * 200 * 100]  # a JPEG is decoded to an eighth


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "I;16", "CMYK"])
@pytest.mark.parametrize("size", [(120, 90), (90, 90)])
def test_large_images_give_the_same_pixels(mode, size, monkeypatch):
    noise = Image.merge("RGBA", [Image.effect_noise(size, 80) for _ in "RGBA"])
    grey = np.asarray(noise.convert("L")).astype(np.uint16) * 257
    image = Image.fromarray(grey) if mode == "I;16" else noise.convert(mode)
    for channels in (1, 3, 4) if mode == "RGBA" else (1, 3):
        codec = Pixels(16, channels)
        usual = to_pixels(image, codec).astype(int)
        with monkeypatch.context() as patch:
            patch.setattr(bits_module, "BAND", 1000)
            np.testing.assert_array_equal(to_pixels(image, codec), usual)
            patch.setattr(squares_module, "_LARGE", 1000)
            assert abs(to_pixels(image, codec).astype(int) - usual).max() <= 1  # PIL rounds otherwise than torch


_PEAK = """
import resource, sys
from ssl_pipeline.data.codecs.image import Pixels, read_image
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_image(sys.argv[1], Pixels(64, 3))
before = peak()
read_image(sys.argv[2], Pixels(64, 3))
print(peak() - before)
"""


@pytest.mark.slow
def test_peak_memory_of_a_large_png(tmp_path):
    """PIL holds four bytes a pixel; 17 were taken."""
    side = 7000
    Image.new("RGB", (64, 64)).save(tmp_path / "small.png")
    Image.linear_gradient("L").resize((side, side)).convert("RGB").save(tmp_path / "large.png", compress_level=1)
    files = [str(tmp_path / name) for name in ("small.png", "large.png")]
    found = run([sys.executable, "-c", _PEAK, *files], capture_output=True, text=True, check=True).stdout
    assert int(found) * 1024 < 5.5 * side**2
