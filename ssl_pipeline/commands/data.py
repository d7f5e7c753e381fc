"""The data set that a command works on."""

from __future__ import annotations

from ssl_pipeline.config import compose
from ssl_pipeline.datasets import Data, Mixed
from ssl_pipeline.inference import Model
from ssl_pipeline.instantiate import instantiate


def data_of(model: Model, overrides: list[str]) -> Data:
    """The one that is asked for, or else that of the run.

    Args:
        model: whose samples these are to be.
        overrides: data=NAME, data.KEY=VALUE; none for the run's own.

    Raises:
        ValueError: its samples are not those that the model takes.
    """
    data: Data | Mixed = instantiate(
        compose(overrides)["data"] if overrides else model.config["data"], trust=model.trust
    )
    if isinstance(data, Mixed):
        data = data.sets[model.data or ""]
    theirs, mine = (codec and codec.plain() for codec in (data.codec, model.codec))
    if data.grid != model.grid or (theirs and mine and theirs != mine):
        raise ValueError(
            f"the model takes samples of {model.grid.shape} made by {mine}, and these are of {data.grid.shape} made by "
            f"{theirs}: set the options of data= as they were in training"
        )
    return data
