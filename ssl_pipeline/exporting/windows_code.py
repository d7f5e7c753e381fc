"""Code of a card that restores an image of any size with onnxruntime alone, window by window."""

from __future__ import annotations

from string import Template

from ssl_pipeline.data import Pixels
from ssl_pipeline.data.preprocessing.base import scaling
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.modules import Part, Restorer

_CODE = Template("""\
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model, side = onnxruntime.InferenceSession("model.onnx"), $size
image = ImageOps.exif_transpose(Image.open("image.png")).convert("$mode")
x = np.float32(image).reshape(image.height, image.width, $channels).transpose(2, 0, 1)
x = np.pad(x, [(0, 0), (0, max(0, side - image.height)), (0, max(0, side - image.width))], mode="edge")
x = $scaled


def starts(length):
    count = -(-(length - side) // (side // 2)) + 1
    return [round(i * (length - side) / max(1, count - 1)) for i in range(count)]


ramp = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)) ** 2  # windows fade into each other
fade, total, weight = np.outer(ramp, ramp), np.zeros(x.shape), np.zeros(x.shape[1:])
for top in starts(x.shape[1]):
    places = [np.s_[:, top : top + side, left : left + side] for left in starts(x.shape[2])]
    [restored] = model.run(None, {"x": np.stack([x[place] for place in places])})
    for place, one in zip(places, restored):
        total[place] += one * fade
        weight[place[1:]] += fade
pixels = $pixels
pixels = pixels.transpose(1, 2, 0)[: image.height, : image.width]
Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8).squeeze()).save("restored.png")""")


def windows_section(model: Model, part: Part, format: str) -> list[str]:
    """Lines of the card of a restorer of images of 8 bits; nothing for others."""
    codec = model.codec
    plain = isinstance(part, Restorer) and part.inputs == ("x",) and format == "onnx"
    if not plain or not isinstance(codec, Pixels) or codec.grid != model.grid or codec.range is not None:
        return []
    if codec.pages != "first" or codec.channels not in (1, 3):
        return []
    code = _CODE.substitute(
        size=codec.size,
        mode="L" if codec.channels == 1 else "RGB",
        channels=codec.channels,
        scaled=scaling("x", (0, 255), model.grid.range),
        pixels=scaling("(total / weight)", model.grid.range, (0, 255)),
    )
    return [
        "",
        "## An image of any size",
        "",
        "It is restored in windows of the model's size that overlap by half, as `ssl-pipeline restore` does:",
        "",
        "```python",
        code,
        "```",
    ]
