"""Pictures that the library of Hugging Face loads."""

import numpy as np
import pytest
from helpers.deep_images import wave, write_folder
from helpers.images import check_contract, picture, pictures
from PIL import Image

from ssl_pipeline.data import hf


@pytest.mark.usefixtures("hub")
def test_hf_parquet(tmp_path, class_label):
    pictures(30, class_label).to_parquet(tmp_path / "a.parquet")
    data = hf("parquet", data_files=str(tmp_path / "a.parquet"), image="picture", size=8)
    check_contract(data)
    assert data.classes == ("even", "odd") and (len(data.train), len(data.test)) == (27, 3)
    batch = data.train[[5, 2]]
    assert batch.x[:, 0, 0, 0].tolist() == batch.source.tolist()
    assert (batch.label == batch.source % 2).all()


@pytest.mark.usefixtures("hub")
def test_hf_save_to_disk_with_splits(tmp_path, class_label):
    import datasets

    parts = datasets.DatasetDict({"train": pictures(20, class_label), "dev": pictures(6, class_label)})
    parts.save_to_disk(tmp_path / "saved")
    data = hf(str(tmp_path / "saved"), image="picture", split={"test": "dev"}, size=8, channels=1)
    check_contract(data)
    assert (len(data.train), len(data.test), data.name) == (20, 6, "saved")
    with pytest.raises(ValueError, match="no split 'test': its splits are train, dev"):
        hf(str(tmp_path / "saved"), image="picture", split={"test": "test"})


@pytest.mark.usefixtures("hub")
def test_hf_save_to_disk_without_splits(tmp_path):
    pictures(20, None).save_to_disk(tmp_path / "saved")
    data = hf(str(tmp_path / "saved"), image="picture", size=8)
    check_contract(data)
    assert data.classes is None
    with pytest.raises(ValueError, match="without splits"):
        hf(str(tmp_path / "saved"), image="picture", split={"test": "test"})


@pytest.mark.usefixtures("hub")
def test_hf_image_folder(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(4):
            picture("RGB").save(tmp_path / name / f"{number}.png")
    data = hf(str(tmp_path), size=8, split={"holdout": 0})
    check_contract(data)
    assert data.classes == ("cat", "dog") and len(data.train) == 8 and data.test is None


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [("bab", ("a", "b"), [1, 0, 1]), ([7, 3, 10], ("3", "7", "10"), [1, 0, 2])],
)
def test_hf_labels_of_other_kinds(tmp_path, labels, classes, numbers):
    labels = list(labels)
    if isinstance(labels[0], str):
        pictures(3, labels).save_to_disk(tmp_path / "saved")
    else:
        pictures(3, None).add_column("label", labels).save_to_disk(tmp_path / "saved")
    data = hf(str(tmp_path / "saved"), image="picture", size=8, split={"holdout": 0})
    check_contract(data)
    assert data.classes == classes and data.train.labels.tolist() == numbers


@pytest.mark.usefixtures("hub")
def test_hf_labels_that_are_missing_or_unusable(tmp_path):
    set_ = pictures(3, None)
    set_ = set_.add_column("label", ["a", None, "b"]).add_column("score", [0.5, 1.5, 2.5])
    set_.save_to_disk(tmp_path / "saved")
    with pytest.warns(UserWarning, match=r"1 of 3 rows have no label in column 'label': probes leave them out"):
        data = hf(str(tmp_path / "saved"), image="picture", split={"holdout": 0})
    assert data.classes == ("a", "b") and data.train.labels.tolist() == [0, -1, 1]
    assert hf(str(tmp_path / "saved"), image="picture", label=None, split={"holdout": 0}).classes is None
    with pytest.raises(ValueError, match=r"'score'.*set data.label to another column"):
        hf(str(tmp_path / "saved"), image="picture", label="score")


@pytest.mark.usefixtures("hub")
def test_hf_test_labels_unknown_to_training(tmp_path):
    import datasets

    parts = {"train": pictures(2, ["a", "b"]), "test": pictures(1, ["a"])}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    data = hf(str(tmp_path / "saved"), image="picture", split={"test": "test"}, size=8)
    assert data.test.labels.tolist() == [0]
    parts = {"train": pictures(1, ["b"]), "test": pictures(1, ["a"])}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "other")
    with pytest.raises(ValueError, match="training part lacks: a"):
        hf(str(tmp_path / "other"), image="picture", split={"test": "test"})


@pytest.mark.usefixtures("hub")
def test_hf_names_the_columns(tmp_path, class_label):
    pictures(4, class_label).to_parquet(tmp_path / "a.parquet")
    files = str(tmp_path / "a.parquet")
    for streaming in (False, True):
        with pytest.raises(ValueError, match=r"no column 'image': set data\.image to one of picture, label"):
            hf("parquet", data_files=files, streaming=streaming)
        with pytest.raises(ValueError, match=r"no column 'klass': set data\.label to one of picture, label"):
            hf("parquet", data_files=files, image="picture", label="klass", streaming=streaming)
    with pytest.raises(ValueError, match=r"4 of 4 images cannot be read: row 0 \(expected the bytes .*, got int\)"):
        hf("parquet", data_files=files, image="label", label=None, split={"holdout": 0})


@pytest.mark.usefixtures("hub")
def test_hf_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="cannot be loaded"):
        hf(str(tmp_path / "missing"))
    with pytest.raises(OSError, match="cannot be loaded"):
        hf("parquet", data_files=str(tmp_path / "missing.parquet"))


@pytest.mark.usefixtures("hub")
def test_hf_takes_the_lists_of_hydra(tmp_path):
    from omegaconf import OmegaConf

    pictures(4, None).to_parquet(tmp_path / "a.parquet")
    for files in ([str(tmp_path / "a.parquet")], {"train": [str(tmp_path / "a.parquet")]}):
        data = hf("parquet", data_files=OmegaConf.create(files), image="picture", size=8, split={"holdout": 0})
        assert len(data.train) == 4


@pytest.mark.usefixtures("hub")
def test_hf_refuses_pickle():
    with pytest.raises(ValueError, match="parquet"):
        hf("pandas", data_files="a.pkl")


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("streaming", [False, True])
def test_hf_deep_images_are_scaled_and_further_bands_named(tmp_path, streaming):
    import datasets

    write_folder(tmp_path / "images", lambda x: x * 4095, np.uint16, ".png", count=8)
    files = [str(file) for file in sorted((tmp_path / "images").iterdir())]
    rows = datasets.Dataset.from_dict({"image": files}, features=datasets.Features({"image": datasets.Image()}))
    rows.save_to_disk(tmp_path / "saved")
    options = {"size": 24, "split": {"holdout": 0}, "streaming": streaming}
    data = hf(str(tmp_path / "saved"), channels=1, **options)
    assert data.codec.range == (0, 4095)
    x = (next(data.train.in_order(8)) if streaming else data.train[range(8)]).x
    np.testing.assert_allclose(x[3, 0], np.floor(wave(3)[..., 0] * 4095) / 4095, atol=1 / 65535)
    Image.new("RGBA", (24, 24), (0, 0, 0, 60)).save(files[0])
    Image.new("RGB", (24, 24)).save(files[7])
    rows.select([0, 7]).save_to_disk(tmp_path / "bands")
    who = "some" if streaming else "1 of 2"
    with pytest.warns(UserWarning, match=f"{who} images have a fourth band that channels=1 and channels=3 do not keep"):
        data = hf(str(tmp_path / "bands"), **options)
        _ = next(data.train.in_order(2)) if streaming else None
    assert data.codec.range is None
