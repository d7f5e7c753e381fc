"""ssl_pipeline: many corrupted views of a sample, one latent, decoders back to the clean form.

>>> import lightning
>>> import ssl_pipeline as sslp
>>> import torch
>>> graph = sslp.Graph({"mask": sslp.Mask(ratio=0.75), "noise": sslp.Noise()}, encoder=sslp.ViT(width=24, depth=1),
...                    objective=sslp.Reconstruction())
>>> module = sslp.PretrainModule(graph, optimizer=sslp.AdamW(lr=1e-3))
>>> loader = torch.utils.data.DataLoader(torch.rand(64, 1, 8, 8), batch_size=32)
>>> quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
>>> lightning.Trainer(max_epochs=1, accelerator="cpu", **quiet).fit(module, loader)
>>> sslp.Inference(module.graph.eval()).embed(torch.rand(5, 1, 8, 8)).shape
torch.Size([5, 24])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssl_pipeline.api import Run, pretrain
    from ssl_pipeline.commands import compare, embed, evaluate, export, restore
    from ssl_pipeline.config.names import (
        list_corruptions,
        list_data,
        list_decoders,
        list_encoders,
        list_methods,
        list_objectives,
        list_optimizers,
    )
    from ssl_pipeline.corruptions import (
        OCR,
        AnyOf,
        BandLimit,
        Blanks,
        Blocks,
        Blur,
        Case,
        Chain,
        Clipping,
        ColourCast,
        Contrast,
        Corruption,
        Crop,
        Diacritics,
        Downscale,
        Drop,
        Echo,
        Exposure,
        Gamma,
        Haze,
        Hum,
        Infill,
        Jpeg,
        LowLight,
        LowRes,
        Mask,
        Mix,
        MultiBlock,
        Noise,
        Overlay,
        PacketLoss,
        Quantize,
        Reverb,
        Reversal,
        SaltPepper,
        Scratches,
        Sensor,
        Shot,
        Shuffle,
        Speckle,
        Speed,
        Strokes,
        Template,
        Turn,
        Typos,
        Vignette,
    )
    from ssl_pipeline.graph.graph import Graph
    from ssl_pipeline.graph.graph_set import GraphSet
    from ssl_pipeline.inference.inference import Inference
    from ssl_pipeline.inference.load import load
    from ssl_pipeline.inference.model import Model
    from ssl_pipeline.losses import (
        CLIP,
        L1,
        MSE,
        NNCLR,
        BarlowTwins,
        Charbonnier,
        CrossEntropy,
        InfoNCE,
        LogMSE,
        MoCo,
        SelfDistillation,
        SIGReg,
        SmoothL1,
        VICReg,
    )
    from ssl_pipeline.models.decoders import AutoregressiveDecoder, ConvDecoder, CrossAttentionDecoder, Decoder
    from ssl_pipeline.models.ema_teacher import EMATeacher
    from ssl_pipeline.models.encoders import ConvEncoder, Encoder, ModuleEncoder, TimmBackbone, TorchvisionBackbone, ViT
    from ssl_pipeline.models.latents import Slots, Tokens
    from ssl_pipeline.models.layers import Projector, Prototypes
    from ssl_pipeline.objectives import (
        Consistency,
        CrossModal,
        JointEmbedding,
        MaskedPrediction,
        Reconstruction,
        TeacherPrediction,
        WorldModel,
    )
    from ssl_pipeline.optim.adamw import AdamW
    from ssl_pipeline.structures.batch import Batch, Latent, View
    from ssl_pipeline.structures.data_spec import DataSpec
    from ssl_pipeline.structures.grid import GridSpec
    from ssl_pipeline.training import GraphCallback, PretrainModule

__version__ = "0.1.0"

_NAMES = {
    "api": "Run pretrain",
    "config.names": """list_corruptions list_data list_decoders list_encoders list_methods list_objectives
        list_optimizers""",
    "commands": "compare embed evaluate export restore",
    "corruptions": """AnyOf BandLimit Blanks Blocks Blur Case Chain Clipping ColourCast Contrast Corruption Crop
        Diacritics Downscale Drop Echo Exposure Gamma Haze Hum Infill Jpeg LowLight LowRes Mask Mix MultiBlock Noise
        OCR Overlay PacketLoss Quantize Reverb Reversal SaltPepper Scratches Sensor Shot Shuffle Speckle Speed Strokes
        Template Turn Typos Vignette""",
    "graph.graph": "Graph",
    "graph.graph_set": "GraphSet",
    "inference.inference": "Inference",
    "inference.load": "load",
    "inference.model": "Model",
    "losses": """BarlowTwins CLIP Charbonnier CrossEntropy InfoNCE L1 LogMSE MSE MoCo NNCLR SIGReg SelfDistillation
        SmoothL1 VICReg""",
    "models.decoders": "AutoregressiveDecoder ConvDecoder CrossAttentionDecoder Decoder",
    "models.ema_teacher": "EMATeacher",
    "models.encoders": "ConvEncoder Encoder ModuleEncoder TimmBackbone TorchvisionBackbone ViT",
    "models.latents": "Slots Tokens",
    "models.layers": "Projector Prototypes",
    "objectives": """Consistency CrossModal JointEmbedding MaskedPrediction Reconstruction TeacherPrediction
        WorldModel""",
    "optim.adamw": "AdamW",
    "structures.batch": "Batch Latent View",
    "structures.data_spec": "DataSpec",
    "structures.grid": "GridSpec",
    "training": "GraphCallback PretrainModule",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [*_HOME]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Modules load when they are first used, so that importing the package costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
