"""The configuration language: Hydra, with names that combine others and names that suit the data."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

from ssl_pipeline.config import plugins
from ssl_pipeline.config.combination import COMBINING_SIGNS, Combination
from ssl_pipeline.config.families import read_families
from ssl_pipeline.config.model_options import left_over, open_options
from ssl_pipeline.config.parts import check_config, check_drawn, is_ghost, prune
from ssl_pipeline.config.places import absolute
from ssl_pipeline.config.resume import again, resumed
from ssl_pipeline.config.run_folder import run_dir
from ssl_pipeline.config.schema import TrainKeys
from ssl_pipeline.config.suitable import Suitable, check_choices, note
from ssl_pipeline.utils.auto import AUTO
from ssl_pipeline.utils.checkpoints import LAST, PREVIOUS
from ssl_pipeline.utils.errors import explain, sentence

VERSION_BASE = "1.3"
UNREADABLE = (HydraException, OmegaConfBaseException, yaml.YAMLError)
USER_ERRORS = (ValueError, OSError, ModuleNotFoundError, yaml.YAMLError)

Names = list[str]


class SourcesPath(SearchPathPlugin):
    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("ssl_pipeline", "combination://")
        search_path.append("ssl_pipeline", "suitable://")
        for name, folder in plugins.config_folders().items():
            search_path.append(name, f"file://{folder}")


def conf_dir() -> Path:
    """The folder of YAML files: inside the package in a wheel, next to it in a checkout."""
    package = Path(__file__).parents[1]
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


def set_up_hydra() -> None:
    """Make the schema, the combinations and the resolvers known to Hydra; to do so again changes nothing."""
    ConfigStore.instance().store("schema", TrainKeys)
    Plugins.instance().register(Combination)
    Plugins.instance().register(Suitable)
    Plugins.instance().register(SourcesPath)
    OmegaConf.register_new_resolver("ssl_pipeline.run_dir", run_dir, replace=True)
    OmegaConf.register_new_resolver("ssl_pipeline.config.families", read_families, replace=True)


def quoted(text: str) -> str:
    """``text`` as a value on Hydra's command line."""
    return QuotedString(text, Quote.single).with_quotes()


def compose(overrides: list[str], config_dir: str | None = None, *, notes: bool = True) -> dict[str, Any]:
    """The configuration of a run as plain dictionaries, without any Hydra around.

    Args:
        overrides: as on the command line: ``corruption=mask+noise``, ``corruption.noise.sigma=0.3``.
        config_dir: folder of the user's own YAML files.
        notes: whether stderr names the models that were chosen to suit the data.

    Raises:
        ValueError: a name, key or value that is not valid, with the nearest that is.
        FileNotFoundError: no such ``config_dir``.
    """
    overrides = open_options(overrides)
    with _loader(config_dir) as search:
        try:
            cfg = hydra.compose("train", [*search, *overrides], return_hydra_config=True)
            choices = dict(cfg.hydra.runtime.choices)
            with flag_override(cfg, ["struct", "readonly"], False):
                del cfg["hydra"]
            return finish(cfg, overrides, config_dir, choices=choices if notes else {})
        except (*UNREADABLE, ValueError) as error:
            raise ValueError(explained(error, overrides, config_dir)) from error


def finish(
    cfg: DictConfig,
    overrides: list[str],
    config_dir: str | None = None,
    folder: str | None = None,
    choices: Mapping[str, str | None] = {},
) -> dict[str, Any]:
    """What Hydra composed, resolved, pruned and checked; notices go to stderr.

    Args:
        cfg: from Hydra.
        overrides: of the command line.
        config_dir: folder of the user's own YAML files.
        folder: of the run, which ``resume=auto`` may find begun.
        choices: name of the file by group, as Hydra has them.

    Raises:
        ValueError: an override of a view that is not there; a value that cannot be right.
    """
    check_choices(choices, cfg)
    config: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    for group in COMBINING_SIGNS:
        for name in prune(config[group], group, partial(_options, group, overrides, config_dir), overrides):
            _note(f"options of {group}.{name} are not used, since {group} has no {name}")
    check_drawn(config["corruption"], "corruption", overrides)
    for choice, keys in left_over(config, overrides, lambda chosen: _plain(chosen, config_dir)).items():
        _note(f"the experiment's {', '.join(keys)} are not used, since {choice} has no such options")
    for group in ("teacher", "sampler"):
        if is_ghost(config[group], group, overrides):
            _note(f"options of {group} are not used, since there is none")
            config[group] = None
    check_config(config)
    config["data"] = absolute(config["data"])
    if config["resume"] == AUTO:
        begun = folder is not None and any((Path(folder) / "checkpoints" / name).is_file() for name in (LAST, PREVIOUS))
        config["resume"] = folder if begun else None
        return again(config) if config["resume"] else config
    if not config["resume"]:
        _note(note(choices))
        return config
    saved = resumed(config, overrides)
    for key in saved.ignored:
        _note(f"{key} is not taken from the saved run: say it again where it matters")
    for change in saved.changed:
        _note(f"the run goes on with {change}")
    return saved.config


def _plain(overrides: Names, config_dir: str | None) -> dict[str, Any]:
    with _loader(config_dir) as search:
        found: Any = OmegaConf.to_container(hydra.compose("train", [*search, *overrides]))
        return found


def is_further_rank() -> bool:
    """Whether this process was started to be a further rank of a run, by torchrun, Lightning or SLURM."""
    numbers = (os.environ.get(name) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return next((number for number in numbers if number is not None), "0") != "0"


def _note(text: str | None) -> None:
    """Said once, by the first process of a run."""
    if text is not None and not is_further_rank():
        print(f"note: {text}", file=sys.stderr)


def explained(error: BaseException, overrides: list[str], config_dir: str | None = None) -> str:
    """The sentence for any error of a run."""

    def tree() -> dict[str, Any]:
        with _loader(config_dir) as search:
            groups = [g for g in GlobalHydra.instance().config_loader().list_groups("") if g != "hydra"]
            # Of a sweep the first job.
            chosen = [o.partition(",")[0] for o in overrides if o.lstrip("+~").partition("=")[0] in groups]
            for choice in (chosen, []):  # without any where a chosen file is itself what is wrong
                with suppress(*UNREADABLE, ValueError):
                    found: Any = OmegaConf.to_container(hydra.compose("train", [*search, *choice]))
                    return dict.fromkeys(groups) | found
            return dict.fromkeys(groups)

    def options(group: str) -> Names:
        return _options(group, overrides, config_dir)

    for override in overrides if isinstance(error, TypeError) else []:
        key, _, value = override.lstrip("+").partition("=")
        if value[:1] in ("[", "{") and (conf_dir() / key).is_dir():
            return f"{override}: a group takes the name of one of its files, as in {key}={options(key)[0]}"
    from_hydra = isinstance(error, (HydraException, OmegaConfBaseException))
    if from_hydra or str(error).startswith("Config group override"):
        return " ".join(explain(error, options, tree).split())
    return sentence(error, USER_ERRORS)


def group_names(group: str, config_dir: str | None = None) -> Names:
    """Names of the files of a group, those of plug-ins and of the user's folder among them."""
    return sorted(_options(group, [], config_dir))


def _options(group: str, overrides: Names, config_dir: str | None) -> Names:
    """Names of the files in a group, wherever they are looked for."""
    with _loader(config_dir) as search:
        search += [o for o in overrides if o.lstrip("+").startswith("hydra.searchpath=")]
        loader = GlobalHydra.instance().config_loader()
        return loader.get_group_options(group, ObjectType.CONFIG, "train", search)


@contextmanager
def _loader(config_dir: str | None) -> Iterator[Names]:
    """Hydra set up for our files, and left as it was; yields the overrides that add the user's folder."""
    if config_dir is not None and not Path(config_dir).is_dir():
        raise FileNotFoundError(f"--config-dir {config_dir}: there is no such folder")
    set_up_hydra()
    before, base = GlobalHydra.instance().hydra, VersionBase.instance().version_base
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(str(conf_dir().resolve()), job_name="train", version_base=VERSION_BASE):
            if config_dir is None:
                yield []
                return
            folder = f"file://{Path(config_dir).resolve()}"
            # The override below does not reach `Suitable`, and this alone does not reach Hydra.
            GlobalHydra.instance().config_loader().get_search_path().append(
                "own", folder, SearchPathQuery("main", None)
            )
            yield [f"hydra.searchpath=[{quoted(folder)}]"]
    finally:
        GlobalHydra.instance().hydra = before
        VersionBase.instance().version_base = base
