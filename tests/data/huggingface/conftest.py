"""The library without its hub."""

import pytest


@pytest.fixture
def hub(tmp_path_factory, monkeypatch):
    """The library with an empty cache and without a network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture
def class_label():
    import datasets

    return datasets.ClassLabel(names=["even", "odd"])
