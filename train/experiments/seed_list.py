"""The list of seeds that `train --seeds` takes.

This file loads no torch, so that a malformed list is answered at once.
"""

from __future__ import annotations

from semanticmac.train.config import ConfigError


def parse_seeds(text: str, first: int) -> list[int]:
    """`5`: five seeds, starting with `first`; `1,2,7` (or `7,`): these seeds."""
    try:
        seeds = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        seeds = []
    if seeds and "," not in text:
        seeds = list(range(first, first + seeds[0]))
    if not seeds or min(seeds) < 0:
        raise ConfigError(f"--seeds {text}: expected how many, as 5, or which, as 1,2,7")
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seeds {text} names a seed twice: each is trained once")
    return seeds
