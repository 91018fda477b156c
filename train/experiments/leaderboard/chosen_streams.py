"""The streams of a leaderboard, written to its folder when it starts.

Without `--streams` a leaderboard reads what was cached last. A stream that is cached later must not
change the models that are trained when the same command goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.keys import LAST
from semanticmac.cache.streams import Streams
from semanticmac.core import FRAME_MODALITIES
from semanticmac.train.config import ConfigError
from semanticmac.train.experiments.leaderboard.entrants import Entrant
from semanticmac.train.overrides import override

FILE = "streams.json"


def with_chosen_streams(entrants: Sequence[Entrant], folder: Path) -> list[Entrant]:
    """The entrants with the streams that this leaderboard started with, where they name none."""
    path = folder / FILE
    if not path.exists():
        return list(entrants)
    saved = _read(path)
    chosen = []
    for entrant in entrants:
        config = entrant.config
        for modality, encoder in saved.get(entrant.streams, {}).items():
            if getattr(config, modality) == LAST:
                config = override(config, {modality: encoder})
        chosen.append(replace(entrant, config=config))
    return chosen


def write_chosen_streams(streams: Mapping[str, Streams], folder: Path) -> None:
    """streams: of each choice, as given with `--streams`. Those of earlier choices are kept."""
    path = folder / FILE
    saved: dict[str, dict[str, str]] = {}
    if path.exists():
        saved = _read(path)
    for choice, read in streams.items():
        encoders: dict[str, str] = {}
        for name in FRAME_MODALITIES:
            if read.of(name):
                encoders[name] = read.encoder(name)
        saved.setdefault(choice, encoders)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(saved, indent=1) + "\n")


def _read(path: Path) -> dict[str, dict[str, str]]:
    """Choice → modality → encoder. Raises ConfigError for a damaged file."""
    try:
        saved: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(
            f"{path} is damaged ({error}): remove it, and the leaderboard takes the streams that "
            "were cached last or that --streams names"
        ) from None
    return saved
