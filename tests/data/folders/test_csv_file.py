"""Tables of numbers in files."""

from __future__ import annotations

import pytest
import torch

from ssl_pipeline.data import csv


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> str:
        (tmp_path / "table.csv").write_text(text)
        return str(tmp_path / "table.csv")

    return write


ROWS = [f"{i},{i * i / 7},{3 * i % 11}" for i in range(40)]


def test_columns_are_standardised_on_the_training_part(written):
    data = csv(written("\n".join(ROWS)))
    x = data.train[range(len(data.train))].x
    assert x.shape == (36, 1, 3) and data.grid.names == ("feature",) and data.name == "table" and len(data.test) == 4
    torch.testing.assert_close(x.mean(0), torch.zeros(1, 3), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(1, 3), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("label", "classes"), [("ab", ("a", "b")), ("01", ("0", "1"))])
def test_labels_stand_last(written, label, classes):
    lines = ["p,q,r,what", *(f"{row},{label[i % 2]}" for i, row in enumerate(ROWS))]
    data = csv(written("\n".join(lines)), split={"holdout": 0})
    assert data.classes == classes and data.train.labels.tolist() == [0, 1] * 20
    assert data.train[[0]].x.shape == (1, 1, 3)


def test_numbers_are_no_labels(written):
    assert csv(written("\n".join(ROWS))).classes is None  # 11 different ones in 40 rows
    assert len(csv(written("\n".join(ROWS)), labels=True, split={"holdout": 0}).classes) == 11


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1,2,3\n1,2", "row 2 .* has 2 columns, the first one 3"),
        ("1,x,3\n1,2,3", "row 1, column 2 .* is no finite number: 'x'"),
        ("a,b\n1,2\n1,nan", "row 3, column 2 .* is no finite number"),
        ("a,b\n", "holds no rows"),
    ],
)
def test_what_is_no_table_is_refused(written, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        csv(written(text))


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        csv(str(tmp_path / "none.csv"))
