"""Small pictures, and what the engine relies on in a data set of them."""

from io import BytesIO

import torch
from PIL import Image

from ssl_pipeline.data import Dataset, Stream


def check_contract(data):
    """What the engine relies on, for either part of any set."""
    for part in (data.train, data.test):
        if part is None:
            continue
        assert isinstance(part, Dataset) and not isinstance(part, Stream)
        n = len(part)
        for index in ([n - 1, 0], torch.tensor([n - 1, 0])):
            batch = part[index]
            assert batch.x.dtype == torch.uint8
            assert batch.x.shape == (2, data.grid.channels, *data.grid.shape)
            assert batch.source.dtype == torch.int64 and batch.source.shape == (2,)
            assert torch.equal(batch.x[1:], part[[0]].x)
            if data.classes is None:
                assert part.labels is None and batch.label is None
            else:
                assert part.labels.dtype == torch.int64 and part.labels.shape == (n,)
                assert part.labels.min() >= 0 and part.labels.max() < len(data.classes)
                assert torch.equal(batch.label, part.labels[[n - 1, 0]])
    assert data.grid.names == ("y", "x") and data.grid.range == (0, 1)


def picture(mode, size=(40, 30)):
    value = {"L": 90, "RGB": (200, 10, 10), "RGBA": (200, 10, 10, 255), "P": 3, "1": 1, "CMYK": (0, 0, 0, 0)}
    return Image.new(mode, size, value.get(mode, 0))


def pictures(n, labels):
    import datasets

    features = {"picture": datasets.Image()}
    columns = {"picture": [Image.new("RGB", (12, 10), (number, 0, 0)) for number in range(n)]}
    if isinstance(labels, datasets.ClassLabel):
        columns["label"], features["label"] = [number % 2 for number in range(n)], labels
    elif labels is not None:
        columns["label"], features["label"] = labels, datasets.Value("string" if labels[0] in "ab" else "int64")
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def rows_with(n, changed):
    """``n`` rows of ``picture`` and ``label``, odd or even; some of them changed.

    Args:
        changed: by the number of a row, what is put in place of its columns; "cut" for a picture that ends too soon.
    """
    import datasets

    rows = []
    for number in range(n):
        file = BytesIO()
        Image.effect_noise((24, 20), 40).convert("RGB").save(file, "PNG")  # noise is long enough to be cut
        whole = file.getvalue()
        row = {"picture": {"bytes": whole, "path": None}, "label": number % 2} | changed.get(number, {})
        if row["picture"] == "cut":
            row["picture"] = {"bytes": whole[: len(whole) // 2], "path": None}
        rows.append(row)
    features = {"picture": datasets.Image(), "label": datasets.ClassLabel(names=["even", "odd"])}
    return datasets.Dataset.from_list(rows, features=datasets.Features(features))
