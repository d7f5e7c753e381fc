"""Random numbers as pure functions of what they are for."""

from __future__ import annotations

from hashlib import blake2b

import torch


def seed_of(*key: int | str) -> int:
    """A 63-bit seed from any key, the same on every machine.

    >>> seed_of(0, 1, "mask") == seed_of(0, 1, "mask") != seed_of(0, 2, "mask")
    True
    """
    digest = blake2b("\x1f".join(str(part) for part in key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def seed_models(device: torch.device, *key: int | str) -> None:
    """Seed what dropout and its like draw from on the processor and on the current device of ``device``'s kind.

    ``torch.manual_seed`` would do more: where there is no GPU, it keeps a stack trace for each kind at each call.
    """
    seed = seed_of(*key)
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        getattr(torch, device.type).manual_seed(seed)


def on_processor(generator: torch.Generator) -> torch.Generator:
    """A generator of numbers that shapes follow from, so that no device is waited for.

    That on the processor is itself; that on another device, whose state the processor knows, makes one and moves on.
    """
    if generator.device.type == "cpu":
        return generator
    state = generator.get_state().tolist()
    torch.rand(1, generator=generator, device=generator.device)
    return torch.Generator().manual_seed(seed_of(*state))


def generator(device: torch.device | str, *key: int | str) -> torch.Generator:
    """A generator on ``device``, seeded by a key such as (seed, step, rank, view)."""
    return torch.Generator(device).manual_seed(seed_of(*key))
