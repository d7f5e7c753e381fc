"""Folders of pictures."""

import os

import numpy as np
import pytest
from helpers.images import check_contract, picture
from PIL import Image

from ssl_pipeline.data import folder
from ssl_pipeline.data.folders.contents import reader_of


def test_photographs_are_turned_upright(tmp_path):
    half = np.zeros((16, 16), dtype=np.uint8)
    half[:8] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    Image.fromarray(half).save(tmp_path / "a.png", exif=exif)
    x = folder(str(tmp_path), size=16, channels=1, split={"holdout": 0}).train[[0]].x[0, 0]
    assert (x[0] == 0).all() and (x[-1] == 255).all()


def test_folder_with_classes(image_tree):
    data = folder(str(image_tree), size=16, split={"holdout": 0.2})
    check_contract(data)
    assert data.classes == ("cat", "dog") and data.name == "images"
    assert (len(data.train), len(data.test)) == (16, 4)
    for part in (data.train, data.test):
        for source, label in zip(part[range(len(part))].source.tolist(), part.labels.tolist(), strict=True):
            assert f"/{data.classes[label]}/" in part.dataset.paths[source]


def test_folder_labels_by_choice(image_tree):
    assert folder(str(image_tree), size=8, labels=False).classes is None
    picture("RGB").save(image_tree / "stray.png")
    data = folder(str(image_tree), size=8, channels=1)
    check_contract(data)
    assert data.classes is None
    with pytest.raises(ValueError, match=r"no class folders.*labels=false"):
        folder(str(image_tree), size=8, labels=True)


def test_flat_folder(tmp_path):
    for number in range(5):
        Image.new("L", (9, 9), number * 10).save(tmp_path / f"{number}.png")
    data = folder(str(tmp_path), size=8, channels=1, split={"holdout": 0})
    check_contract(data)
    assert data.classes is None and data.test is None
    assert data.train[[4, 0, 2]].x[:, 0, 0, 0].tolist() == [40, 0, 20]


@pytest.mark.parametrize("test", ["test", "val"])
def test_train_and_test_folders(image_tree, test):
    root = image_tree.parent / "set"
    root.mkdir()
    os.rename(image_tree, root / "train")
    (root / test / "dog").mkdir(parents=True)
    picture("RGB").save(root / test / "dog" / "0.png")
    picture("RGB").save(root / test / "dog" / "1.png")
    data = folder(str(root), size=8)
    check_contract(data)
    assert (len(data.train), len(data.test)) == (20, 2)
    assert data.test.labels.tolist() == [1, 1]
    os.rename(root / test / "dog", root / test / "cow")
    assert folder(str(root), size=8).classes is None


def test_train_can_be_a_class(tmp_path):
    for name in ("car", "train"):
        (tmp_path / name).mkdir()
        for number in range(3):
            picture("RGB").save(tmp_path / name / f"{number}.png")
    assert folder(str(tmp_path), size=8).classes == ("car", "train")


def test_links_are_followed_but_not_in_circles(image_tree):
    (image_tree / "cat" / "up").symlink_to(image_tree)
    os.rename(image_tree / "dog", image_tree.parent / "elsewhere")
    (image_tree / "dog").symlink_to(image_tree.parent / "elsewhere")
    assert len(folder(str(image_tree), size=8, split={"holdout": 0}).train) == 20


def test_unreadable_files_are_named_and_left_out(image_tree):
    (image_tree / "cat" / "broken.png").write_bytes(b"not a picture")
    with pytest.warns(UserWarning, match=r"1 of 21 images cannot be read: .*cat/broken.png"):
        data = folder(str(image_tree), size=8, split={"holdout": 0})
    check_contract(data)
    assert len(data.train) == 20
    assert data.train.labels.tolist() == [0] * 10 + [1] * 10
    broken = [str(image_tree / "cat" / "broken.png")]
    sources = data.train[range(20)].source.tolist()
    assert [p for i, p in enumerate(data.train.dataset.paths) if i not in sources] == broken
    with pytest.raises(ValueError, match=r"broken.png"):
        folder(str(image_tree), size=8, unreadable={"action": "error"})


def test_too_many_unreadable_files(image_tree):
    whole = (image_tree / "cat" / "deep" / "5.jpg").read_bytes()
    (image_tree / "cat" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (image_tree / "cat" / "empty.png").touch()
    with pytest.raises(ValueError, match=r"2 of 22 images.*cut.jpg.*empty.png.*unreadable\.max_share"):
        folder(str(image_tree), size=8)
    with pytest.warns(UserWarning):
        assert len(folder(str(image_tree), size=8, split={"holdout": 0}, unreadable={"max_share": 0.1}).train) == 20


def test_the_pictures_of_runs_are_no_data(image_tree):
    """A run's folder in the folder of the data, which is where it lies if data.root=. was trained on."""
    before = folder(str(image_tree), size=8, split={"holdout": 0})
    for place in ("outputs/train/12-00-00", "multirun/12-00-00/0"):
        run = image_tree / place
        for part in ("samples", "checkpoints"):
            (run / part).mkdir(parents=True)
        (run / "config.yaml").touch()
        (run / "samples/0_clean.png").write_bytes((image_tree / "cat" / "deep" / "5.jpg").read_bytes())
    after = folder(str(image_tree), size=8, split={"holdout": 0})
    assert (after.classes, len(after.train)) == (before.classes, len(before.train))
    assert reader_of(image_tree) == "folder"


def test_what_is_no_file_is_named_and_left_out(image_tree):
    (image_tree / "cat/gone.png").symlink_to("nowhere.png")
    os.mkfifo(image_tree / "cat/pipe.png")
    (image_tree / "dog/zero.png").symlink_to("/dev/zero")
    with pytest.warns(UserWarning, match=r"3 of the names in .* are no files .*: cat/gone.png, cat/pipe.png, dog/zero"):
        assert len(folder(str(image_tree), size=8, split={"holdout": 0}).train) == 20


def test_folders_that_hold_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        folder(str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError, match="there is no image in"):
        folder(str(tmp_path))
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(NotADirectoryError, match="got the file"):
        folder(str(tmp_path / "a.png"))
    with pytest.raises(ValueError, match=r"1 of 1 images cannot be read.*intact"):
        folder(str(tmp_path), unreadable={"max_share": 1.0})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": 2}, "channels=1"),
        ({"unreadable": {"action": "ignore"}}, "unreadable.action=skip"),
        ({"unreadable": {"max_share": -1}}, r"unreadable\.max_share as a fraction from 0 to 1, got -1"),
        ({"size": 10**9}, "expected data.size as pixels along a side, from 1 to 16,384, got 1000000000"),
        ({"labels": "yes"}, "labels"),
        ({"cache": {"in_memory": "maybe"}}, "cache.in_memory"),
    ],
)
def test_folder_options_are_checked(image_tree, options, words):
    with pytest.raises(ValueError, match=words):
        folder(str(image_tree), **options)
