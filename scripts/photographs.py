"""Photographs of Debian's wallpapers to learn to restore from, and others: python scripts/photographs.py OUT

OUT/train: ukui-wallpapers, lomiri-wallpapers-16.04 and -20.04, whose shorter side becomes 400 and 640 pixels, so that
they are as sharp as those of OUT/test: nature of mate-backgrounds, a third of the size, the middle 256 x 256.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

WALLPAPERS = Path("/usr/share/backgrounds")
DRAWN = {"fluent-color", "rollpaper", "focal-ubuntukylin", "analogpattern_by_Peter_Nerlich"}
SHORTER_SIDES = 400, 640
ENLARGED_MOST = 0.67
"""Of a file; the smaller it becomes, the sharper."""
SIDE = 256


def main() -> None:
    """Write both folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the images")
    out = parser.parse_args().out
    train = [
        file for file in sorted(WALLPAPERS.iterdir()) if file.suffix in (".jpg", ".png") and file.stem not in DRAWN
    ]
    test = sorted(WALLPAPERS.glob("mate/nature/*.jpg"))
    if not train or not test:
        packages = "ukui-wallpapers lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 mate-backgrounds"
        raise SystemExit(f"error: {WALLPAPERS} lacks photographs: apt-get install {packages}")
    for part in ("train", "test"):
        (out / part).mkdir(parents=True, exist_ok=True)
    Image.MAX_IMAGE_PIXELS = None
    for file in train:
        with Image.open(file) as image:
            for side in SHORTER_SIDES:
                if (by := side / min(image.size)) <= ENLARGED_MOST:
                    scaled(image, by).save(out / f"train/{file.stem}_{side}.png")
    for file in test:
        with Image.open(file) as image:
            small = scaled(image, 1 / 3)
            left, top = ((n - SIDE) // 2 for n in small.size)
            small.crop((left, top, left + SIDE, top + SIDE)).save(out / f"test/{file.stem}.png")


def scaled(image: Image.Image, by: float) -> Image.Image:
    """An RGB image of another size."""
    size = round(by * image.width), round(by * image.height)
    return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
