"""Energies between the spectra of whole signals: what the ear hears of a waveform, without its phases."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.linalg import vector_norm

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.base import ReconstructionLoss
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.grid import GridSpec


def stft_power(x: Float[Tensor, "B C T"], size: int, hop: int) -> Float[Tensor, "B C F N"]:
    """Power in Hann windows; white noise of variance 1 has 1 everywhere (twice that at 0 and the highest frequency).

    Args:
        x: signals; zeros are put round them.
        size: window in samples.
        hop: step of the windows in samples.
    """
    window = torch.hann_window(size, device=x.device)
    # Spectra need more digits than bfloat16 has.
    with torch.autocast(x.device.type, enabled=False):
        spectrum = torch.stft(
            x.float().flatten(0, 1), size, hop, window=window, pad_mode="constant", return_complex=True
        )
    return torch.view_as_real(spectrum).square().sum(-1).unflatten(0, x.shape[:2]) / window.square().sum()


def stft_distance(
    prediction: Float[Tensor, "B C T"], target: Float[Tensor, "B C T"], size: int, eps: float
) -> Float[Tensor, "B C"]:
    """Spectral convergence and the mean absolute difference of log magnitudes (Parallel WaveGAN, arXiv 1910.11480).

    Args:
        prediction: decoded signals.
        target: true signals.
        size: window in samples; it moves by a quarter.
        eps: power added everywhere, so that silence has a logarithm.
    """
    ours, theirs = ((stft_power(x, size, size // 4) + eps).sqrt() for x in (prediction, target))
    convergence = vector_norm(ours - theirs, dim=(-2, -1)) / vector_norm(theirs, dim=(-2, -1))
    return convergence + (ours.log() - theirs.log()).abs().mean((-2, -1))


def mel_filters(mels: int, size: int, rate: float) -> Float[Tensor, "M F"]:
    """Triangles of equal height on the mel scale 2595 log10(1 + f / 700) from 0 to ``rate / 2``, each of sum 1.

    Own code: torchaudio's takes whole numbers of samples a second only.

    Raises:
        ValueError: a triangle narrow enough to fall between two frequencies of the window.

    >>> mel_filters(2, 8, 16000.0).shape
    torch.Size([2, 5])
    """
    highest = 2595 * torch.tensor(1 + rate / 2 / 700).double().log10()
    corner = 700 * (10 ** (torch.linspace(0, 1, mels + 2).double() * highest / 2595) - 1)
    frequency = torch.linspace(0, rate / 2, size // 2 + 1).double()
    low, middle, high = (corner[i : i + mels].unsqueeze(1) for i in range(3))
    rising, falling = (frequency - low) / (middle - low), (high - frequency) / (high - middle)
    filters = torch.minimum(rising, falling).clamp(min=0)
    if empty := int((filters.sum(1) == 0).sum()):
        raise ValueError(
            f"mels={mels} with n_fft={size} leaves {empty} of the filters without a frequency: "
            f"take fewer mels or a longer n_fft"
        )
    return (filters / filters.sum(1, keepdim=True)).float()


def log_mel(x: Float[Tensor, "B C T"], filters: Float[Tensor, "M F"], hop: int, eps: float) -> Float[Tensor, "B C M N"]:
    """Natural logarithm of the mean power in mel filters.

    Args:
        x: signals.
        filters: as ``mel_filters`` gives them.
        hop: step of the windows in samples.
        eps: power added everywhere.
    """
    bands = stft_power(x, 2 * (filters.shape[1] - 1), hop)
    with torch.autocast(x.device.type, enabled=False):
        return (filters @ bands + eps).log()


class _Spectral(Bindable, ReconstructionLoss):
    """Of whole signals on one axis; what has no weight is silent in both."""

    whole = True

    def __init__(self, sizes: Sequence[int], eps: float) -> None:
        super().__init__()
        if eps <= 0:
            raise ValueError(f"eps={eps}: expected a positive number, silence has no logarithm")
        self.sizes, self.eps = tuple(sizes), eps
        self._check_sizes(None)

    def setup(self, grid: GridSpec) -> None:
        """Check that it fits the signals of a grid."""
        if grid.discrete or grid.ndim != 1:
            kind = "symbols" if grid.discrete else "numbers"
            raise ValueError(
                f"{type(self).__name__} compares waveforms, numbers along one axis, and got {kind} along "
                f"{', '.join(grid.names)}: take objective={'cross_entropy' if grid.discrete else 'reconstruct'}"
            )
        self._check_sizes(grid.shape[0])

    def _check_sizes(self, length: int | None) -> None:
        if not self.sizes or any(n < 4 or n % 2 or (length is not None and n > length) for n in self.sizes):
            most = "" if length is None else f" and at most the {length} of a sample"
            raise ValueError(f"windows are even numbers of samples, at least 4{most}; got {list(self.sizes)}")

    def forward(
        self, prediction: Tensor, target: Tensor, weight: Float[Tensor, "B T"] | Bool[Tensor, "B T"] | None = None
    ) -> Tensor:
        """Scalar: the mean over samples and channels of signals multiplied by their weight."""
        return self.per_sample(prediction, target, weight).mean()

    def per_sample(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """(B,) losses of signals multiplied by their weight (B, T): the mean over channels."""
        if weight is not None:
            prediction, target = prediction * weight.unsqueeze(1), target * weight.unsqueeze(1)
        return self.per_place(prediction, target).mean(1)


@register("loss", "stft")
class MultiResolutionSTFT(_Spectral):
    """Mean of ``stft_distance`` over window sizes.

    Args:
        sizes: windows in samples; each moves by a quarter.
        eps: power added everywhere, in units of the standardised data's white noise (1e-4 is 40 dB below it).

    Raises:
        ValueError: a grid that is no waveform; a window that does not fit; ``eps`` not positive.
    """

    def __init__(self, *, sizes: Sequence[int] = (256, 512, 1024), eps: float = 1e-4) -> None:
        super().__init__(sizes, eps)

    def per_place(self, prediction: Float[Tensor, "B C T"], target: Float[Tensor, "B C T"]) -> Float[Tensor, "B C"]:
        """Distance of each channel."""
        distances = [stft_distance(prediction, target, size, self.eps) for size in self.sizes]
        return torch.stack(distances).mean(0)


@register("loss", "log_mel")
class LogMelL1(_Spectral):
    """Mean absolute difference of log-mel spectrograms.

    Args:
        n_fft: window in samples.
        hop: step of the windows in samples.
        mels: number of bands.
        eps: power added everywhere, in units of the standardised data's white noise (1e-4 is 40 dB below it).

    Raises:
        ValueError: a grid that is no waveform; a window that does not fit; more mels than the window can tell apart;
            ``eps`` not positive.
    """

    filters: Tensor

    def __init__(self, *, n_fft: int = 512, hop: int = 128, mels: int = 64, eps: float = 1e-4) -> None:
        super().__init__([n_fft], eps)
        if hop < 1:
            raise ValueError(f"hop={hop}: windows move by at least 1 sample")
        self.hop, self.mels = hop, mels

    def setup(self, grid: GridSpec) -> None:
        """The filters for signals of a grid, whose spacing is that of the samples in seconds."""
        super().setup(grid)
        filters = mel_filters(self.mels, self.sizes[0], 1 / grid.axes[0].spacing)
        self.register_buffer("filters", filters, persistent=False)

    def per_place(self, prediction: Float[Tensor, "B C T"], target: Float[Tensor, "B C T"]) -> Float[Tensor, "B C"]:
        """Distance of each channel."""
        ours, theirs = (log_mel(x, self.filters, self.hop, self.eps) for x in (prediction, target))
        return (ours - theirs).abs().mean((-2, -1))
