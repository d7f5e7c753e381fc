"""Where data lies, in a configuration that is used from another folder."""

from __future__ import annotations

import pytest
import yaml

from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.utils.errors import keys_at


def test_folders_of_data_are_absolute_and_can_be_moved(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here/0.parquet").touch()
    monkeypatch.chdir(tmp_path)
    assert compose(["data=folder", "data.root=here"])["data"]["root"] == str(tmp_path / "here")
    nested = compose(["data=captioned", "data@data.of=folder", "data.of.root=here/../here"])
    assert nested["data"]["of"]["root"] == str(tmp_path / "here")
    found = compose(["data=hf", "data.path=here"])["data"]
    assert found["path"] == str(tmp_path / "here")
    files = compose(["data=hf", "data.path=parquet", "data.data_files=[here/*.parquet,s3://bucket/*.parquet]"])["data"]
    assert (files["path"], files["data_files"]) == ("parquet", [f"{tmp_path}/here/*.parquet", "s3://bucket/*.parquet"])
    assert compose(["data=hf", "data.path=owner/name", "data.data_files=here/*"])["data"]["data_files"] == "here/*"
    saved = compose(["data=folder", "data.root=here"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").write_text(yaml.safe_dump(saved))
    monkeypatch.chdir(tmp_path / "here")
    assert compose(["resume=../run"])["data"]["root"] == str(tmp_path / "here")
    assert compose(["resume=../run", "data.root=../moved"])["data"]["root"] == str(tmp_path / "moved")


def test_messages_name_the_key_as_it_is_typed():
    node = {"type": "captioned", "of": {"type": "folder", "root": "/nowhere"}}
    with pytest.raises(FileNotFoundError, match=r"set data\.of\.root to a folder of images"):
        build_part("data", node, at="data")
    deeper = {"type": "mixed", "sets": {"a": node}}
    with pytest.raises(FileNotFoundError, match=r"set data\.sets\.a\.of\.root to a folder of images"):
        build_part("data", deeper, at="data")


class OfTwo(ValueError):
    def __init__(self, text, _):
        super().__init__(text)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("/x/data.root, my-data.root and data.csv"), "/x/data.root, my-data.root and data.csv"),
        (ValueError("data.csv: set data.root, data.cache.folder"), "data.csv: set data.A.root, data.A.cache.folder"),
        (ValueError("set data.of.root, not data@data.of"), "set data.A.of.root, not data@data.A.of"),
        (OfTwo("set data.root", 1), "set data.A.root"),
        (FileNotFoundError("no data.roots, set data.root"), "no data.roots, set data.A.root"),
    ],
)
@pytest.mark.parametrize("at", ["data.of", "data.sets.a.of"])
def test_only_options_are_moved_to_their_depth(error, said, at):
    kind = FileNotFoundError if isinstance(error, OSError) else ValueError
    with pytest.raises(kind) as found, keys_at(at, ["root", "cache", "of"]):
        raise error
    assert str(found.value) == said.replace("data.A", at)
