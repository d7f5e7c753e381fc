"""What was decoded and kept is trusted only if it is one's own and as it was written."""

import os
import warnings

import pytest
import torch
from helpers.caches import entries
from helpers.images import picture

from ssl_pipeline.data import folder
from ssl_pipeline.data.cache.folder import fingerprint


@pytest.fixture
def pixels(image_tree, tmp_path):
    """Reads the pictures through the cache; gives their pixels."""
    cache = {"in_memory": False, "folder": str(tmp_path / "cache")}
    return lambda: folder(str(image_tree), size=8, split={"holdout": 0}, cache=cache).train[range(20)].x


def blacken(place):
    with (place / "x.npy").open("r+b") as file:
        file.seek(-2000, os.SEEK_END)
        file.write(bytes(1000))


def shorten(place):
    os.truncate(place / "x.npy", 1000)


def drop(place):
    (place / "troubles.json").unlink()


def forget(place):
    (place / "checksums.json").write_text("[1")


@pytest.mark.parametrize("harm", [blacken, shorten, drop, forget])
def test_a_damaged_cache_is_made_anew_with_one_sentence(pixels, tmp_path, harm):
    whole = pixels()
    (place,) = entries(tmp_path / "cache")
    harm(place)
    with pytest.warns(UserWarning, match=rf"{place.name}' is damaged, .*: it is made anew") as said:
        again = pixels()
    assert len(said) == 1 and torch.equal(again, whole) and entries(tmp_path / "cache") == [place]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(pixels(), whole)


def test_what_another_user_owns_is_not_read(pixels, tmp_path, monkeypatch, image_tree):
    whole = pixels()
    (place,) = entries(tmp_path / "cache")
    blacken(place)
    monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + 1)
    with pytest.raises(OSError, match=rf"{place.name} there belongs to another user\): set cache.folder"):
        pixels()
    monkeypatch.setattr("ssl_pipeline.data.cache.decode_cache.PATIENCE", -1)
    with pytest.warns(UserWarning, match="belongs to another user.*set cache.folder to another one"):
        data = folder(str(image_tree), size=8, split={"holdout": 0}, cache={"folder": str(tmp_path / "cache")})
    assert torch.equal(data.train.x, whole) and place.is_dir()


def test_all_is_on_the_disk_before_it_has_its_name(pixels, tmp_path, monkeypatch):
    fsync, rename, done = os.fsync, os.rename, []
    monkeypatch.setattr(os, "fsync", lambda file: (done.append(os.readlink(f"/proc/self/fd/{file}")), fsync(file)))
    monkeypatch.setattr(os, "rename", lambda a, b: (done.append("rename"), rename(a, b)))
    pixels()
    before, after = done[: done.index("rename")], done[done.index("rename") + 1 :]
    names = {os.path.basename(file) for file in before}
    assert {"x.npy", "troubles.json", "checksums.json"} < names and after == [str(tmp_path / "cache")]


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_found(tmp_path):
    file = tmp_path / "a.bmp"
    picture("RGB", (100, 90)).save(file)
    state, now = file.stat(), fingerprint([file], "as ever")
    for place in (100, -100):
        with file.open("r+b") as opened:
            opened.seek(place, os.SEEK_SET if place > 0 else os.SEEK_END)
            opened.write(b"other")
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert file.stat().st_size == state.st_size
        before, now = now, fingerprint([file], "as ever")
        assert before != now == fingerprint([file], "as ever")
