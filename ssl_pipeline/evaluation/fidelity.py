"""How near restored samples are to the clean ones, sample by sample, in the measures of the field."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio
from torchmetrics.functional.image import structural_similarity_index_measure

from ssl_pipeline.evaluation.lpips import lpips
from ssl_pipeline.structures.grid import GridSpec

LEAST_ERROR = 1e-8
"""Squared error below which PSNR rises no more (80 dB), as a share of the squared range."""
_SSIM_CELLS = 11
"""Side of the window of SSIM."""
_FRAME_S, _FLOOR = 0.032, 1e-8
"""Window of the log-spectral distance, and the least power of a band in it, of a signal between -1 and 1."""


def fidelity(
    x: Shaped[Tensor, "B ..."], clean: Shaped[Tensor, "B ..."], grid: GridSpec, valid: Tensor | None = None
) -> dict[str, Float[Tensor, "B"]]:
    """Measures of each sample, the one that tells most first.

    Args:
        x: in the units of the grid.
        clean: what it should be.
        grid: of both.
        valid: (B, *grid) bool, False = padding, which does not count.

    Returns:
        Of symbols ``cer``, the character error rate in percent, and ``exact``, 100 where all are right. Of signals
        ``si_sdr`` in dB (arXiv 1811.02508) and ``lsd``, the log-spectral distance in dB. Of all else ``psnr`` in dB,
        and on two axes ``ssim`` in percent (doi 10.1109/TIP.2003.819861); of images also ``lpips``, where there is one
        (``evaluation.lpips``).

    >>> grid = GridSpec.of(("y", 16), ("x", 16), channels=3)
    >>> clean = torch.rand(2, 3, 16, 16)
    >>> {name: value.round().tolist() for name, value in fidelity(clean + 0.01, clean, grid).items()}
    {'psnr': [40.0, 40.0], 'ssim': [100.0, 100.0]}
    """
    if grid.discrete:
        wrong = edit_distance(x, clean, valid)
        count = torch.full_like(wrong, clean[0].numel()) if valid is None else valid.flatten(1).sum(1)
        return {"cer": 100 * wrong / count.clamp(min=1), "exact": 100.0 * (wrong == 0)}
    x, clean = x.float(), clean.float()
    if valid is not None:
        x, clean = x * valid.unsqueeze(1), clean * valid.unsqueeze(1)
    if grid.signal:
        return {"si_sdr": _si_sdr(x, clean), "lsd": _log_spectral_distance(x, clean, grid)}
    low, high = grid.range
    error = (x - clean).square().flatten(1).mean(1)
    if valid is not None:
        error = error * valid[0].numel() / valid.flatten(1).sum(1).clamp(min=1)
    found = {"psnr": -10 * ((error / (high - low) ** 2).clamp(min=LEAST_ERROR)).log10()}
    if grid.ndim == 2 and min(x.shape[2:]) >= _SSIM_CELLS:
        ssim = structural_similarity_index_measure(x, clean, data_range=float(high - low), reduction="none")
        assert isinstance(ssim, Tensor)
        found["ssim"] = 100 * ssim
    if grid.names == ("y", "x") and not grid.log:
        distance = lpips(*((some - low) / (high - low) for some in (x, clean)))
        found |= {} if distance is None else {"lpips": distance}
    return found


BETTER_WHEN_LESS = {"cer", "lsd", "lpips"}
"""Of the measures; of all others more is better."""


def edit_distance(x: Shaped[Tensor, "B N"], clean: Shaped[Tensor, "B M"], valid: Tensor | None = None) -> Tensor:
    """Levenshtein distance (B,) of sequences of symbols: the least number put in, left out or replaced.

    Args:
        x: symbols.
        clean: symbols.
        valid: (B, M) bool, False = padding at the end of both.

    >>> edit_distance(torch.tensor([[1, 2, 3, 4]]), torch.tensor([[2, 3, 4, 5]]))
    tensor([2.])
    """
    x, clean = x.flatten(1), clean.flatten(1)
    length = torch.full((len(x),), clean.shape[1], device=x.device) if valid is None else valid.flatten(1).sum(1)
    steps = torch.arange(clean.shape[1] + 1, device=x.device, dtype=torch.float32)
    row, rows = steps.expand(len(x), -1), []
    for i in range(x.shape[1]):
        rows.append(row)
        other = torch.minimum(row[:, 1:] + 1, row[:, :-1] + (x[:, i : i + 1] != clean).float())
        start = torch.full_like(row[:, :1], i + 1.0)
        # Symbols left out run along the row: each place is the least of those before it, and the way from there.
        row = torch.cummin(torch.cat([start, other], 1) - steps, 1).values + steps
    rows.append(row)
    found = torch.stack(rows, 1)
    return found[torch.arange(len(x), device=x.device), length.clamp(max=x.shape[1]), length]


def _si_sdr(x: Tensor, clean: Tensor) -> Tensor:
    found = scale_invariant_signal_distortion_ratio(x.flatten(2), clean.flatten(2), zero_mean=True)
    silent = (x == 0).flatten(2).all(2) & (clean != 0).flatten(2).any(2)  # of which torchmetrics says 0 dB
    return torch.where(silent, -80.0, found).flatten(1).mean(1).clamp(-80, 80)


def _log_spectral_distance(x: Tensor, clean: Tensor, grid: GridSpec) -> Tensor:
    size = min(x.shape[-1], 2 ** (round(_FRAME_S / grid.axes[-1].spacing) - 1).bit_length())
    window = torch.hann_window(size, device=x.device)

    def levels(signal: Tensor) -> Tensor:
        bands = torch.stft(signal.flatten(0, -2), size, size // 2, window=window, return_complex=True)
        return 10 * (bands.abs().square() / window.square().sum()).clamp(min=_FLOOR).log10()

    apart = (levels(x) - levels(clean)).square().mean(1).sqrt().mean(1)
    return apart.unflatten(0, (len(x), -1)).mean(1)
