"""The code of a model's card, run where neither this package nor torch can be imported; and files to run it on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

BLOCK = """
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "ssl_pipeline"):
            raise ModuleNotFoundError(f"{name} is blocked", name=name)


sys.meta_path.insert(0, Blocked())
"""
SAVE = """
import numpy, os
numpy.savez(os.environ["OUT"], **{name: value for name, value in globals().items() if isinstance(value, numpy.ndarray)})
"""


def code_of(folder: Path, heading: str = "How files become samples", **given) -> str:
    """The code under a heading, with things of one's own in place of the card's."""
    code = (folder / "README.md").read_text().split(f"## {heading}")[1]
    lines = code.split("```python\n")[1].split("```")[0].splitlines()
    for name, value in given.items():
        [number] = [i for i, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[number] = f"{name} = {value!r}"
    return "\n".join(lines)


def run_elsewhere(code: str, folder: Path, scratch: Path) -> dict[str, np.ndarray]:
    """The arrays that code leaves behind, run in a folder by a Python without torch and this package."""
    (scratch / "block").mkdir(exist_ok=True)
    (scratch / "block/sitecustomize.py").write_text(BLOCK)
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env |= {"PYTHONPATH": str(scratch / "block"), "OUT": str(scratch / "arrays.npz")}
    words = [sys.executable, "-c", code + SAVE]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(np.load(scratch / "arrays.npz"))


def image_files(folder: Path) -> list[str]:
    """Transparent, grey, with a palette, of another size, turned by EXIF."""
    folder.mkdir()
    drawn = np.random.default_rng(0)

    def picture(mode: str, size: tuple[int, int]) -> Image.Image:
        spots = drawn.integers(0, 256, (4, 5, 4), dtype=np.uint8)
        image = Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC)
        return image.convert("RGB").quantize(16) if mode == "P" else image.convert(mode)

    for mode, size in (("RGBA", (50, 34)), ("LA", (20, 31)), ("L", (64, 64)), ("RGB", (9, 12)), ("P", (33, 40))):
        picture(mode, size).save(folder / f"{mode}.png")
    picture("P", (33, 40)).save(folder / "clear.png", transparency=3)
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation
    picture("RGB", (300, 180)).save(folder / "turned.jpg", exif=turned)
    return [str(file) for file in sorted(folder.iterdir())]


def sound_files(folder: Path, rate: int) -> list[str]:
    """Stereo of two windows and more, and less than a window."""
    folder.mkdir()
    noise = np.random.default_rng(0).normal(scale=0.3, size=(3 * rate, 2))
    soundfile.write(folder / "long.wav", noise[: round(2.7 * rate)], rate)
    soundfile.write(folder / "short.wav", noise[: rate // 3, 0], rate)
    return [str(file) for file in sorted(folder.iterdir())]
