"""Data sets and the batches made of them."""

from ssl_pipeline.data.base import ColumnSpec, Data, Dataset, Stream, Subset, holdout, statistics
from ssl_pipeline.data.codecs.base import Codec
from ssl_pipeline.data.codecs.bpe import BPE
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.codecs.sound import LogMel, Waveform
from ssl_pipeline.data.codecs.table import TableCodec
from ssl_pipeline.data.codecs.text import Bytes
from ssl_pipeline.data.codecs.video import Clips
from ssl_pipeline.data.data_sets import DataSets, build_data
from ssl_pipeline.data.folders.audio_folder import audio_folder
from ssl_pipeline.data.folders.csv_tables import csv
from ssl_pipeline.data.folders.image_folder import folder
from ssl_pipeline.data.folders.text_files import text_files
from ssl_pipeline.data.folders.video_folder import video_folder
from ssl_pipeline.data.huggingface.hf import hf
from ssl_pipeline.data.huggingface.hf_audio import hf_audio
from ssl_pipeline.data.huggingface.hf_text import hf_text
from ssl_pipeline.data.in_python import SavedReading
from ssl_pipeline.data.memory import MappedDataset, MemoryDataset
from ssl_pipeline.data.motion.segments import MotionSegments
from ssl_pipeline.data.named.cifar10 import cifar10
from ssl_pipeline.data.named.digits import digits
from ssl_pipeline.data.named.fashion_mnist import fashion_mnist
from ssl_pipeline.data.named.fortunes import fortunes
from ssl_pipeline.data.named.librispeech import librispeech
from ssl_pipeline.data.named.pydoc import pydoc
from ssl_pipeline.data.named.speech_commands import speech_commands
from ssl_pipeline.data.rl.gym import gym
from ssl_pipeline.data.rl.pendulum import pendulum
from ssl_pipeline.data.sampling import EpochOrder, sequential_batches, train_loader
from ssl_pipeline.data.synthetic.arithmetic import arithmetic
from ssl_pipeline.data.synthetic.moving_digits import moving_digits
from ssl_pipeline.data.synthetic.scenes import scenes
from ssl_pipeline.data.synthetic.tones import tones
from ssl_pipeline.data.wrappers.backgrounds import backgrounds
from ssl_pipeline.data.wrappers.captioned import captioned
from ssl_pipeline.data.wrappers.junk import junk
from ssl_pipeline.data.wrappers.mixed import mixed
from ssl_pipeline.data.wrappers.objects import objects

__all__ = [
    "BPE",
    "Bytes",
    "Clips",
    "Codec",
    "ColumnSpec",
    "Data",
    "DataSets",
    "Dataset",
    "EpochOrder",
    "LogMel",
    "MappedDataset",
    "MemoryDataset",
    "MotionSegments",
    "Pixels",
    "SavedReading",
    "Stream",
    "Subset",
    "TableCodec",
    "Waveform",
    "arithmetic",
    "audio_folder",
    "backgrounds",
    "build_data",
    "captioned",
    "cifar10",
    "csv",
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
