"""LPIPS, with weights that are drawn here and lie where torchvision's would."""

from __future__ import annotations

import pytest
import torch
from helpers.restorers import GRID, blobs, restorer
from torchmetrics.functional.image.lpips import learned_perceptual_image_patch_similarity
from torchvision.models import alexnet

from ssl_pipeline.data import MemoryDataset
from ssl_pipeline.evaluation.families import by_form
from ssl_pipeline.evaluation.fidelity import fidelity
from ssl_pipeline.evaluation.restored import P3
from ssl_pipeline.report.restored_forms import restored_forms, restored_means
from ssl_pipeline.structures.grid import GridSpec

IMAGE = GridSpec.of(("y", 32), ("x", 40), channels=3)
GREY = GridSpec.of(("y", 32), ("x", 40), channels=1)
FILE = "hub/checkpoints/alexnet-owt-7be5be79.pth"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Torch's, which is empty; nothing can be fetched."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_, **__: pytest.fail("it was fetched"))
    (tmp_path / FILE).parent.mkdir(parents=True)
    return tmp_path


@pytest.fixture
def weights(cache):
    """Those of the features are drawn; of the classifier, which LPIPS does not use, the file holds one number each."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in alexnet().state_dict().items()}
    draw = torch.Generator().manual_seed(0)
    state = {
        name: 0.1 * torch.randn(shape, generator=draw) if name.startswith("features") else torch.zeros(1).expand(shape)
        for name, shape in shapes.items()
    }
    torch.save(state, cache / FILE)


@pytest.fixture
def pair():
    draw = torch.Generator().manual_seed(1)
    clean = torch.rand(2, 3, 32, 40, generator=draw)
    return (clean + torch.tensor([0.05, 0.3]).view(2, 1, 1, 1) * torch.randn(clean.shape, generator=draw)), clean


def test_without_weights_it_is_left_out(pair):
    assert [*fidelity(*pair, IMAGE)] == ["psnr", "ssim"]


@pytest.mark.usefixtures("weights")
def test_it_is_that_of_torchmetrics_in_percent_image_by_image_and_in_any_range(pair):
    noisy, clean = pair[0].clamp(0, 1), pair[1]
    found = fidelity(noisy, clean, IMAGE)["lpips"]
    theirs = learned_perceptual_image_patch_similarity(noisy, clean, reduction="none", normalize=True)
    torch.testing.assert_close(found, 100 * theirs)
    assert 0 < found[0] < found[1] and not fidelity(clean, clean, IMAGE)["lpips"].any()
    wide = GridSpec.of(("y", 32), ("x", 40), channels=3, range=(-1.0, 1.0))
    torch.testing.assert_close(fidelity(2 * pair[0] - 1, 2 * clean - 1, wide)["lpips"], found)


@pytest.mark.usefixtures("weights")
def test_grey_images_are_repeated_and_others_left_out(pair):
    grey = [some[:, :1] for some in pair]
    repeated = [some.expand(-1, 3, -1, -1) for some in grey]
    torch.testing.assert_close(fidelity(*grey, GREY)["lpips"], fidelity(*repeated, IMAGE)["lpips"])
    spectrogram = GridSpec.of(("mel", 32), ("time", 40), channels=1)
    assert "lpips" not in fidelity(*grey, spectrogram)
    assert "lpips" not in fidelity(*(some[:, :2] for some in pair), GridSpec.of(("y", 32), ("x", 40), channels=2))
    assert "lpips" not in fidelity(*(some[..., :30] for some in pair), IMAGE.resized((32, 30)))
    assert "lpips" in fidelity(*(some[..., :31, :31] for some in pair), IMAGE.resized((31, 31)))


@pytest.mark.usefixtures("weights")
def test_nothing_else_moves(pair):
    before = torch.random.get_rng_state()
    found = fidelity(*pair, IMAGE)
    assert torch.equal(before, torch.random.get_rng_state()) and [*found] == ["psnr", "ssim", "lpips"]


def test_a_damaged_file_is_warned_of(cache, pair):
    (cache / FILE).write_bytes(b"half of it")
    with pytest.warns(UserWarning, match=r"alexnet-owt-7be5be79.pth is damaged .*, so LPIPS is left out"):
        assert [*fidelity(*pair, IMAGE)] == ["psnr", "ssim"]


@pytest.mark.usefixtures("weights")
def test_tables_show_it_beside_psnr_and_ssim():
    graph = restorer(GRID.extended((32, 32)))
    scores = P3(samples=2, severities=(1,), families=("noise",)).score(graph, MemoryDataset(blobs(4, side=32)))
    assert scores["restored/lpips_before/clean"] == 0 < scores["restored/lpips/noise/1"]
    summary = by_form(scores, "restored")
    for table in (restored_means(summary), restored_forms(summary)):
        shown = [head for head in table.head if head != "restored"]
        assert shown[-4:] == ["PSNR, dB", "SSIM, %", "LPIPS, %", "harmless"]
