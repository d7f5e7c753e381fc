"""Tables of numbers in files."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import torch

from ssl_pipeline.data import csv
from ssl_pipeline.data.codecs.table import TableCodec

ROWS = [f"{i},{i * i / 7},{3 * i % 11}" for i in range(40)]


@pytest.fixture
def written(tmp_path):
    def write(text: str | list[str], name: str = "table.csv") -> str:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text if isinstance(text, str) else "\n".join(text))
        return str(file)

    return write


def all_of(part) -> torch.Tensor:
    return part[range(len(part))].x


def test_columns_are_standardised_by_the_training_rows(written):
    data = csv(written(ROWS))
    x = all_of(data.train)
    assert x.shape == (36, 1, 3) and data.grid.names == ("feature",) and data.name == "table" and len(data.test) == 4
    torch.testing.assert_close(x.mean(0), torch.zeros(1, 3), rtol=0, atol=1e-5)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(1, 3), rtol=0, atol=1e-4)
    learnt = np.array([float(row.split(",")[1]) for row in ROWS])[data.train.sources.numpy()]
    assert data.codec.mean[1] == pytest.approx(learnt.mean()) and data.codec.std[1] == pytest.approx(learnt.std())


def test_a_constant_column_is_zero(written):
    data = csv(written([f"{row},0.1" for row in ROWS]))
    assert all_of(data.train)[..., 3].abs().max() < 1e-5 and data.codec.std[3] == 1


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize(("label", "classes"), [("ab", ("a", "b")), ("01", ("0", "1"))])
def test_a_column_of_labels_by_name(written, mark, label, classes):
    lines = ["p,what,q,r", *(row.replace(",", f",{label[i % 2]},", 1) for i, row in enumerate(ROWS))]
    data = csv(written([line.replace(",", mark) for line in lines]), label="what", split={"holdout": 0})
    assert data.classes == classes and data.train.labels.tolist() == [0, 1] * 20
    assert data.codec.columns == ["p", "q", "r"]


def test_without_a_header_columns_are_numbered(written):
    data = csv(written([f"{row},a" for row in ROWS]), label="4")
    assert data.codec.columns == ["1", "2", "3"] and data.classes == ("a",)


def test_a_folder_is_one_table_and_may_hold_a_test_part(written, tmp_path):
    written(["a,b,c", *ROWS[:20]], "train/1.csv")
    written(["a,b,c", *ROWS[20:30]], "train/2.csv")
    written(["c,b,a", *ROWS[30:]], "test/3.csv")
    data = csv(str(tmp_path))
    assert (len(data.train), len(data.test)) == (30, 10)
    assert data.codec.decode(all_of(data.test))[0]["c"] == pytest.approx(30, abs=1e-4)  # by name, not by place


def test_empty_lines_above_and_quoted_separators_do_no_harm(written):
    data = csv(written(["", "", '"width; in cm; mean; of; all",b', *(f"{i},{-i}" for i in range(20))]))
    assert data.codec.columns == ["width; in cm; mean; of; all", "b"] and len(data.train) + len(data.test) == 20


def test_a_first_line_of_numbers_as_names(written):
    assert csv(written(["2019,2020", "1,2", "3,5", "2,2"]), header=True).codec.columns == ["2019", "2020"]


def test_compressed_files_and_large_whole_numbers(tmp_path):
    with gzip.open(tmp_path / "TABLE.CSV.GZ", "wt") as file:
        file.write("\n".join(["a,b", *(f"{2**60 + i * 2**20},{i}" for i in range(20))]))
    data = csv(str(tmp_path / "TABLE.CSV.GZ"), split={"holdout": 0})
    assert data.codec.decode(all_of(data.train))[3]["a"] == pytest.approx(2**60 + 3 * 2**20, rel=1e-12)


def test_labels_and_columns_may_be_named_by_number(written):
    data = csv(written([f"{row},a" for row in ROWS]), label=4, columns=[1, 3])
    assert data.codec.columns == ["1", "3"] and data.classes == ("a",)


@pytest.mark.parametrize(
    ("words", "classes"),
    [
        (["true", "false"], ("false", "true")),
        (["01", "02"], ("01", "02")),
        (["None", "NA"], ("NA", "None")),
        (["10", "9"], ("9", "10")),
        (["1.0", "2.0"], ("1", "2")),
        (["01", "0x"], ("01", "0x")),
    ],
)
def test_classes_are_called_as_they_are_written(written, tmp_path, words, classes):
    for number in range(2):  # which no file alone may decide
        written(["a,b,kind", *(f"{i},{-i},{words[number]}" for i in range(20))], f"folder/{number}.csv")
    data = csv(str(tmp_path / "folder"), label="kind")
    assert data.classes == classes


def test_files_of_a_folder_have_the_same_columns(written, tmp_path):
    written(["a,b", *(f"{i},{-i}" for i in range(9))], "folder/1.csv")
    written(["a,b,z", *(f"{i},{-i},1" for i in range(9))], "folder/2.csv")
    with pytest.raises(ValueError, match=r"1.csv' has no column 'z'"):
        csv(str(tmp_path / "folder"))
    assert csv(str(tmp_path / "folder"), columns=["a", "b"]).codec.columns == ["a", "b"]


def test_missing_numbers_are_filled_as_the_file_is_read_whatever_the_model_does(written):
    mine = csv(written(["a,b", *(f"{i},{i % 4}" for i in range(20))], "mine.csv"))
    gaps = ["a,b", *("1,NA" if i == 3 else f"{i},{i % 4}" for i in range(20))]
    again = csv(written(gaps), missing="mean", split={"holdout": 0}).read_with(mine.codec)
    assert again.codec == mine.codec and again.train[[3]].x[0, 0, 1] == 0 and all_of(again.train).isfinite().all()


@pytest.mark.parametrize("size", [1, 3, 7, 40])
def test_scales_do_not_depend_on_the_pieces_that_rows_come_in(size):
    rows = np.random.default_rng(0).normal(size=(40, 3)) * [1, 1e-3, 1e3] + [0, 1e6, -5]
    rows[5, 1] = rows[0, 0] = np.nan
    codec = TableCodec.of("abc", [rows[i : i + size] for i in range(0, 40, size)])
    np.testing.assert_allclose(codec.mean, np.nanmean(rows, 0), rtol=1e-12)
    np.testing.assert_allclose(codec.std, np.nanstd(rows, 0), rtol=1e-6)
    z = (rows - codec.mean) / codec.std
    np.testing.assert_allclose(codec.range, [np.nanmin(z), np.nanmax(z)], rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"range": [1.0, -1.0]},
        {"std": [1.0, 0.0]},
        {"mean": [0.0, float("inf")]},
        {"range": [0.0]},
        {"std": [1.0, -1.0]},
    ],
)
def test_scales_that_cannot_be_are_refused(wrong):
    right = {"columns": ["a", "b"], "mean": [0.0, 0.0], "std": [1.0, 1.0], "range": [-1.0, 1.0]}
    with pytest.raises(ValueError, match="restore the file"):
        TableCodec(**right | wrong)


def test_missing_numbers_become_the_mean_where_that_is_asked_for(written):
    text = ["a,b", *("1,NA" if i == 3 else f"{i},{i % 4}" for i in range(20))]
    data = csv(written(text), missing="mean", split={"holdout": 0})
    assert data.train[[3]].x[0, 0, 1] == 0 and data.codec.mean[1] == pytest.approx(np.mean([*range(4)] * 5)
                                                                                   * 20 / 19 - 3 / 19)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("1,2,3\n1,2", {}, "cannot be read as a table.*Expected 3 columns, got 2"),
        ("1,x,3\n1,2,3", {}, "row 1 .*, column '2' of .* is no number but 'x'"),
        ("a,b\n1,2\n1,nan", {}, "row 2 .*, column 'b' of .* is missing: .*data.missing=mean"),
        ("a,b\n1,2\ninf,1", {}, "row 2 .*, column 'a' of .* is infinite"),
        ("a,b,c\n1,2,3\n1,,3", {"label": "b"}, "row 2 .*, column 'b' .* is missing: fill in"),
        ("a,b,c\n1,2,3", {"label": "b", "columns": ["a", "b"]}, "data.label names 'b', which is also a column"),
        ("a,b,c\n1,2,3", {"columns": []}, r"at least two columns of numbers to learn from, got \[\]"),
        ("a,b\n5,1\n6\u00a0,2", {}, "row 2 .*, column 'a' of .* is no number but '6.*'"),
        ("a;b\n1,5;2,5", {}, "is no number but '1,5': write decimal points in place of commas"),
        (",a,b\n0,1,2\n1,2,3", {}, "a column without a name, as an index is written"),
        ("name,2019,2020\nx,1,2", {}, "if the first line names the columns, set data.header=true"),
        ("a,b,c\n1,2,0.5\n1,2,1.5", {"label": "c"}, "column 'c' holds no labels but numbers such as"),
        ("a,b\n1,1_000\n2,3", {}, "row 1 .*, column 'b' of .* is no number but '1_000'"),
        ("a,b\n1,1e200\n2,-1e200\n3,1", {"split": {"holdout": 0}}, "column 'b' holds numbers too large to be scaled"),
        ("a,b\n", {}, "holds no rows"),
        ("", {}, "is empty"),
        ("a,a\n1,2", {}, "two columns 'a'"),
        ("a,b\n1,2", {"label": "c"}, "has no column 'c'; there are: a, b"),
        ("a,b\n1,2", {"columns": ["a", "z"]}, "has no column 'z'; there are: a, b"),
        ("a,b\n1,2\n2,3", {"label": "b"}, "at least two columns"),
        ("a,b\n1,2", {"missing": "zero"}, "missing to be error or mean"),
        ("a,b\n1,2", {"header": "no"}, "header to be auto, true or false"),
    ],
)
def test_what_is_no_table_is_refused(written, text, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        csv(written(text), **options)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file or folder"):
        csv(str(tmp_path / "none.csv"))


def test_another_file_is_read_on_the_scales_of_a_run(written):
    mine = csv(written(["a,b", *(f"{i},{i}" for i in range(20))], "mine.csv"))
    other = csv(written(["a,b,place", *(f"{i + 100},{i},north" for i in range(20))], "other.csv"), columns=["a", "b"])
    with pytest.warns(UserWarning, match="other: 100% of the numbers of column 'a' are far from those of the training"):
        again = other.read_with(mine.codec)
    assert again.codec == mine.codec and again.grid == mine.grid
    assert again.codec.decode(all_of(again.train))[0]["a"] == pytest.approx(100 + int(again.train.sources[0]), abs=1e-3)
    assert all_of(again.train)[:, 0, 0].min() > 10  # far from the mean that the run knows


def test_a_table_of_other_columns_is_not_read_on_the_scales_of_a_run(written):
    mine, other = csv(written(["a,b", "1,2", "3,4", "5,6"], "mine.csv")), csv(written(["b,a", "1,2", "3,4", "5,6"]))
    with pytest.raises(ValueError, match=r"learnt from the columns a, b, and table .*: set data.columns=\[a,b\]"):
        other.read_with(mine.codec)


def test_the_codec_takes_arrays_lists_and_dictionaries():
    codec = TableCodec.of(["a", "b"], [np.array([[0.0, 5.0], [2.0, 9.0]])])
    x, _ = codec.encode(np.array([[0.0, 9.0]]))
    assert x.tolist() == [[[-1, 1]]]
    for same in (torch.tensor([[0.0, 9.0]]), [[0, 9]], [{"b": 9, "a": 0, "c": "more"}]):
        assert torch.equal(codec.encode(same)[0], x)
    assert TableCodec(**{k: v for k, v in codec.plain().items() if k != "type"}) == codec
    for wrong, sentence in (
        (np.zeros((2, 3)), r"expected rows \(B, 2\)"),
        ([{"a": 1}], "no column 'b'"),
        (["text"], "convert"),
    ):
        with pytest.raises(ValueError, match=sentence):
            codec.encode(wrong)
