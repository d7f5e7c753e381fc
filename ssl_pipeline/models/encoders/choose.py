"""An encoder by name or by object."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from difflib import get_close_matches
from inspect import signature
from itertools import chain
from typing import Any

import timm
import torchvision
from torch import nn

from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.registry import part_names
from ssl_pipeline.models.encoders.base import Encoder
from ssl_pipeline.models.encoders.module import ModuleEncoder
from ssl_pipeline.models.encoders.outside import OutsideEncoder, UserModule
from ssl_pipeline.models.encoders.timm_models import TimmBackbone
from ssl_pipeline.utils.errors import nearest


def as_encoder(what: object) -> Encoder:
    """The encoder that is meant.

    Args:
        what: an encoder; a name of ours, or of a model of timm's or torchvision's; a model of timm's; any other module.

    Raises:
        ValueError: no encoder and no model of theirs has the name; something that is no module.
    """
    if isinstance(what, str):
        return _named(what)
    if isinstance(what, Encoder):
        return what
    if not isinstance(what, nn.Module):
        raise ValueError(
            f"encoder={what!r}: expected a name or a torch.nn.Module, got an object of {type(what).__name__}"
        )
    return TimmBackbone.of(what) if _is_timms(what) else ModuleEncoder(what)


def encoder_choice(what: str | nn.Module, known: Collection[str]) -> tuple[dict[str, Any], Encoder | None]:
    """Keys of a configuration that choose an encoder, and the encoder itself where it is one of an object.

    Args:
        what: see ``as_encoder``.
        known: names of encoders in the configuration.

    Raises:
        ValueError: see ``as_encoder``; an encoder of ours that was made already.
    """
    if isinstance(what, str):
        return _choice(what, known), None
    encoder = as_encoder(what)
    if not isinstance(encoder, ModuleEncoder | TimmBackbone) or encoder.user_module is None:
        kind = type(encoder).__name__
        raise ValueError(
            f"encoder={kind}(...) has options that a run's configuration would not know: name it, as in "
            f"encoder='vit' with options={{'encoder.width': 192}}"
        )
    plain = encoder.to_plain()
    usual = {key: parameter.default for key, parameter in signature(type(encoder)).parameters.items()}
    options = {f"encoder.{key}": value for key, value in plain.items() if key != "type" and value != usual[key]}
    return {"encoder": plain["type"], **options}, encoder


def _choice(name: str, known: Collection[str]) -> dict[str, str]:
    """Keys that choose an encoder by its name: one of ours, else timm's, else torchvision's.

    Raises:
        ValueError: none of them has the name.
    """
    if name in known:
        return {"encoder": name}
    theirs = {"timm": timm.list_models(), "torchvision": torchvision.models.list_models()}
    for source, names in theirs.items():
        if name in names:
            return {"encoder": source, "encoder.name": name}
    close = get_close_matches(name, {*known, *chain(*theirs.values())})
    raise ValueError(
        f"encoder={name!r} is neither an encoder of ours nor a model of timm's or torchvision's; "
        f"{nearest(name, close or known)}"
    )


def _named(name: str) -> Encoder:
    choice = _choice(name, set(part_names("encoder")) - {"module"})
    options = {"name": choice["encoder.name"]} if "encoder.name" in choice else {}
    return build_part("encoder", {"type": choice["encoder"], **options})


def _is_timms(module: Any) -> bool:
    """Whether timm can make such a model again, and it gives feature maps."""
    about = getattr(module, "pretrained_cfg", None) or {}
    known = hasattr(module, "forward_intermediates") and hasattr(module, "get_classifier")
    return known and timm.is_model(str(about.get("architecture")))


def trained_before(given: nn.Module, *, copy: bool = False) -> nn.Module | UserModule:
    """An object for a run that was trained already: how it was before is known only of an encoder that this run took.

    Args:
        given: the object, or an encoder of it.
        copy: take a copy, and leave the object as it is.
    """
    user_module = given.user_module if isinstance(given, OutsideEncoder) else UserModule(given)
    if user_module is None or user_module.twin is not None:
        return given
    module = user_module.module
    return UserModule(deepcopy(module) if copy else module, remembers=False)


def attach_module(part: Encoder, given: nn.Module | UserModule | None) -> Encoder:
    """The encoder of a configuration, of an object where one is given.

    Args:
        part: as the configuration makes it.
        given: the object, or an encoder of it.

    Raises:
        ValueError: the encoder needs an object and there is none, or it takes none.
    """
    if given is None:
        if isinstance(part, ModuleEncoder) and part.user_module is None:
            raise ValueError(
                f"this run's encoder is an object of Python ({part.of}), of which its folder has the weights and not "
                f"the code: give it, sslp.load(folder, encoder=module), or to go on with the run "
                f"sslp.pretrain(data, encoder=module, options={{'resume': folder}})"
            )
        return part
    if not isinstance(part, ModuleEncoder | TimmBackbone):
        raise ValueError(
            f"this run's encoder is a {type(part).__name__} that its configuration makes: leave encoder= out"
        )
    found = deepcopy(part)
    given = given.user_module if isinstance(given, OutsideEncoder) else given
    found.user_module = UserModule(given) if isinstance(given, nn.Module) else given
    return found
