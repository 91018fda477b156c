"""Which models a dataset can train: one that reads the text alone needs texts, for example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from semanticmac.core import counted
from semanticmac.model.build import build_network
from semanticmac.model.config import SettingsConflict
from semanticmac.train.data import TrainData, TrainError, resolve, with_dialogue
from semanticmac.train.experiments.leaderboard.entrants import SVM, Entrant
from semanticmac.train.experiments.leaderboard.scored import SPLIT


def without_untrainable(
    entrants: Sequence[Entrant], data: Mapping[str, TrainData], device: torch.device, *, named: bool
) -> tuple[list[Entrant], list[str]]:
    """The models that these clips can train, and a note for each one that is left out.

    data: by choice of streams; named: the user has named the models. Raises TrainError for a named
    model that cannot be trained, and where none can.
    """
    trainable, notes = [], []
    for entrant in entrants:
        reason = _why_not(entrant, data[entrant.streams], device)
        if not reason:
            trainable.append(entrant)
        elif named:
            raise TrainError(f"--models: {entrant.name} cannot be trained here: {reason}")
        else:
            notes.append(f"{entrant.name} is left out: {reason}")
    if not trainable:
        raise TrainError(f"no model can be trained here: {notes[0]}")
    return trainable, notes


def require_equal_test(data: Mapping[str, TrainData]) -> None:
    """Raises TrainError if two choices of streams have other test clips, as of a refused clip.

    Rows are compared clip by clip, so every model must score the same ones.
    """
    scored = {}
    for choice, opened in data.items():
        scored[choice] = {row.clip_id for row in opened.manifest.split(SPLIT)}
    first = next(iter(scored))
    for choice, clips in scored.items():
        other = sorted(clips ^ scored[first])
        if other:
            raise TrainError(
                f"--streams {choice}: its test clips are not those of --streams {first}: "
                f"{counted(len(other), 'clip')} in one of them alone ({', '.join(other[:5])}), "
                "because an encoder refused some. Compare these streams in two leaderboards"
            )


def _why_not(entrant: Entrant, data: TrainData, device: torch.device) -> str:
    """Empty if the settings fit the dataset."""
    try:
        config = resolve(entrant.config, data, device)
        if entrant.model != SVM:
            with_dialogue(data, config.model)
        if entrant.model != SVM and "text" not in config.model.modalities:
            build_network(config.model)  # loads no language model
    except (TrainError, SettingsConflict) as error:
        return str(error)
    return ""
