"""Data sets and the batches made of them."""

from ssl_pipeline.datasets.arithmetic import arithmetic
from ssl_pipeline.datasets.audio_folder import audio_folder
from ssl_pipeline.datasets.backgrounds import backgrounds
from ssl_pipeline.datasets.captioned import captioned
from ssl_pipeline.datasets.cifar10 import cifar10
from ssl_pipeline.datasets.codec import Codec
from ssl_pipeline.datasets.data import ColumnSpec, Data, Dataset, Stream, Subset, holdout, statistics
from ssl_pipeline.datasets.digits import digits
from ssl_pipeline.datasets.fashion_mnist import fashion_mnist
from ssl_pipeline.datasets.folder import folder
from ssl_pipeline.datasets.fortunes import fortunes
from ssl_pipeline.datasets.gym import gym
from ssl_pipeline.datasets.hf import hf
from ssl_pipeline.datasets.hf_audio import hf_audio
from ssl_pipeline.datasets.hf_text import hf_text
from ssl_pipeline.datasets.image import Pixels
from ssl_pipeline.datasets.junk import junk
from ssl_pipeline.datasets.librispeech import librispeech
from ssl_pipeline.datasets.loading import EpochOrder, sequential_batches, train_loader
from ssl_pipeline.datasets.memory import MappedDataset, MemoryDataset
from ssl_pipeline.datasets.mixed import Mixed, mixed
from ssl_pipeline.datasets.motion_segments import MotionSegments
from ssl_pipeline.datasets.moving_digits import moving_digits
from ssl_pipeline.datasets.objects import objects
from ssl_pipeline.datasets.pendulum import pendulum
from ssl_pipeline.datasets.pydoc import pydoc
from ssl_pipeline.datasets.scenes import scenes
from ssl_pipeline.datasets.sound_codecs import LogMel, Waveform
from ssl_pipeline.datasets.speech_commands import speech_commands
from ssl_pipeline.datasets.text_codecs import BPE, Bytes
from ssl_pipeline.datasets.text_files import text_files
from ssl_pipeline.datasets.tones import tones
from ssl_pipeline.datasets.video import Clips
from ssl_pipeline.datasets.video_folder import video_folder
from ssl_pipeline.datasets.weighted import WeightedOrder

__all__ = [
    "BPE",
    "Bytes",
    "Clips",
    "Codec",
    "ColumnSpec",
    "Data",
    "Dataset",
    "EpochOrder",
    "LogMel",
    "MappedDataset",
    "MemoryDataset",
    "Mixed",
    "MotionSegments",
    "Pixels",
    "Stream",
    "Subset",
    "Waveform",
    "WeightedOrder",
    "arithmetic",
    "audio_folder",
    "backgrounds",
    "captioned",
    "cifar10",
    "digits",
    "fashion_mnist",
    "folder",
    "fortunes",
    "gym",
    "hf",
    "hf_audio",
    "hf_text",
    "holdout",
    "junk",
    "librispeech",
    "mixed",
    "moving_digits",
    "objects",
    "pendulum",
    "pydoc",
    "scenes",
    "sequential_batches",
    "speech_commands",
    "statistics",
    "text_files",
    "tones",
    "train_loader",
    "video_folder",
]
