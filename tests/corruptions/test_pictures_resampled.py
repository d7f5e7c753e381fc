"""Blur, downscaling and JPEG against other implementations."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from helpers.views import seeded
from PIL import Image
from scipy import ndimage

from ssl_pipeline.corruptions import Blur, Downscale, Jpeg
from ssl_pipeline.corruptions._kernels import resampling
from ssl_pipeline.structures.batch import View, clean_view
from ssl_pipeline.structures.grid import GridSpec

GRID = GridSpec.of(("y", 40), ("x", 56), channels=3)
GREY = GridSpec.of(("y", 40), ("x", 56), channels=1)


def noise(grid: GridSpec = GRID, batch: int = 5) -> View:
    return clean_view(grid, torch.rand(batch, grid.width, *grid.shape, generator=seeded(3)))


def test_gaussian_blur_is_that_of_scipy():
    clean = noise()
    view = Blur(kinds=["gaussian"], sigma=(0.5, 2.0)).bind(GRID)(clean, seeded())
    for x, found, sigma in zip(clean.x, view.x, view.params["sigma"], strict=True):
        wanted = ndimage.gaussian_filter(x.numpy(), (0, float(sigma), float(sigma)), mode="nearest", radius=(0, 6, 6))
        torch.testing.assert_close(found, torch.from_numpy(wanted), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["gaussian", "defocus", "motion"])
def test_kernels_of_one_sigma_are_as_wide(kind):
    grid = GridSpec.of(("y", 41), ("x", 41), channels=1)
    point = torch.zeros(64, 1, 41, 41)
    point[:, :, 20, 20] = 1
    kernel = Blur(kinds=[kind], sigma=4.0).bind(grid)(clean_view(grid, point), seeded()).x[:, 0]
    away = torch.arange(41.0) - 20
    variance = (kernel.sum(1) * away**2).sum(1) + (kernel.sum(2) * away**2).sum(1)
    torch.testing.assert_close(kernel.sum((1, 2)), torch.ones(64))
    torch.testing.assert_close(variance, torch.full((64,), 2 * 16.0), rtol=0.12, atol=0)


def test_motion_blurs_along_its_angle_only():
    grid = GridSpec.of(("y", 41), ("x", 41), channels=1)
    lines = (torch.arange(41) % 2).float().view(1, 1, 41, 1).expand(64, 1, 41, 41)  # they change along y only
    view = Blur(kinds=["motion"], sigma=2.0).bind(grid)(clean_view(grid, lines), seeded())
    across = view.params["angle"].sin()  # 0: along x
    left = view.x.var((1, 2, 3)) / lines[0].var()
    assert left[across < 0.05].min() > 0.7 and left[across > 0.95].max() < 0.1


@pytest.mark.parametrize("kind", ["gaussian", "defocus", "motion"])
def test_blur_takes_energy_the_more_the_severer(kind):
    energy = [float(Blur(kinds=[kind], severity=s).bind(GRID)(noise(), seeded()).x.var()) for s in (1, 1.5, 2, 3, 4, 5)]
    assert energy == sorted(energy, reverse=True) and energy[0] < noise().x.var()


@pytest.mark.parametrize("factor", [1.0, 1.3, 2.0, 2.7, 5.5])
@pytest.mark.parametrize("name", ["box", "bilinear", "bicubic", "lanczos"])
def test_downscaling_is_that_of_pillow(name, factor):
    clean = noise(GREY, batch=2)
    found = Downscale(kernels=[name], antialias=1.0, up=["bicubic"], factor=factor).bind(GREY)(clean, seeded()).x
    size = [max(1, round(n / factor)) for n in (56, 40)]
    for x, mine in zip(clean.x, found, strict=True):
        small = Image.fromarray(x[0].numpy()).resize(size, Image.Resampling[name.upper()])
        wanted = np.array(small.resize((56, 40), Image.Resampling.BICUBIC))
        torch.testing.assert_close(mine[0], torch.from_numpy(wanted), rtol=0, atol=1e-5)


@pytest.mark.parametrize("factor", [1.0, 1.3, 2.0, 2.7, 5.5])
def test_nearest_takes_the_cell_at_the_middle_of_the_new_one(factor):
    clean = noise(GREY, batch=2)
    found = Downscale(kernels=["nearest"], up=["nearest"], factor=factor).bind(GREY)(clean, seeded()).x
    rows, columns = (read_at(n, round(n / factor)) for n in GREY.shape)
    torch.testing.assert_close(found, clean.x[:, :, rows][..., columns])


def test_without_antialias_cells_are_skipped_and_bicubic_leads_back_as_in_pillow():
    fine, coarse = torch.tensor([60.0]), torch.tensor([10.0])
    kind, no = torch.tensor([0]), torch.tensor([False])
    down = resampling(coarse, fine, 60, ["bilinear"], kind, no)[0]
    assert (down[:10] > 0).sum(1).tolist() == [2] * 10 and not down[10:].any()
    up = resampling(fine, coarse, 60, ["bicubic"], kind, no)[0, :, :10]
    x = torch.rand(1, 10, generator=seeded())
    wanted = Image.fromarray(x.numpy()).resize((60, 1), Image.Resampling.BICUBIC)
    torch.testing.assert_close((up @ x[0]).unsqueeze(0), torch.from_numpy(np.array(wanted)), rtol=0, atol=1e-5)


def test_params_say_what_was_drawn():
    view = Downscale().bind(GREY)(noise(GREY, batch=200), seeded())
    kernels = torch.stack([view.params[f"kernel.{k}"] for k in ("nearest", "box", "bilinear", "bicubic", "lanczos")])
    assert torch.equal(kernels.sum(0), torch.ones(200)) and (kernels.mean(1) > 0.1).all()
    assert math.isclose(view.params["antialias"].mean(), 0.8, abs_tol=0.08)
    repeated = Downscale(factor=4.0, up=["nearest"]).bind(GREY)(noise(GREY), seeded()).x
    assert torch.equal(repeated[..., ::4], repeated[..., 1::4])


def read_at(n: int, m: int) -> list[int]:
    """Cells of n that stand at each of n places after ``nearest`` to m cells and back."""
    down = [(2 * i + 1) * n // (2 * m) for i in range(m)]
    return [down[(2 * i + 1) * m // (2 * n)] for i in range(n)]


def pillow_jpeg(x: torch.Tensor, quality: int) -> torch.Tensor:
    levels = (255 * x).round().byte().permute(1, 2, 0).squeeze(2).numpy()
    with io.BytesIO() as file:
        Image.fromarray(levels).save(file, "jpeg", quality=quality)
        found = np.array(Image.open(file), dtype=np.float32)
    return torch.from_numpy(found).view(*x.shape[1:], len(x)).permute(2, 0, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (45, 51)])
def test_jpeg_is_that_of_pillow(channels, height, width):
    grid = GridSpec.of(("y", height), ("x", width), channels=channels)
    coarse = torch.rand(6, channels, 9, 9, generator=seeded(5))
    x = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    x = (x + 0.05 * torch.randn(x.shape, generator=seeded(6))).clamp(0, 1)
    view = Jpeg(quality=(5, 95)).bind(grid)(clean_view(grid, x), seeded())
    for clean, mine, quality in zip(x, view.x, view.params["quality"], strict=True):
        away = (255 * mine - pillow_jpeg(clean, int(quality))).abs().mean()
        lost = (255 * (mine - clean)).abs().mean()
        assert away < (0.6 if channels == 1 else 1.5) and away < lost / 3, (int(quality), float(away), float(lost))


def test_frames_are_coded_each_by_itself():
    grid = GridSpec.of(("time", 3), ("y", 24), ("x", 16), channels=3)
    x = torch.rand(2, 3, 3, 24, 16, generator=seeded())
    video = Jpeg(quality=30).bind(grid)(clean_view(grid, x), seeded()).x
    picture = GridSpec.of(("y", 24), ("x", 16), channels=3)
    frame = Jpeg(quality=30).bind(picture)(clean_view(picture, x[:, :, 1]), seeded()).x
    torch.testing.assert_close(video[:, :, 1], frame)
