"""Remarks on the dialogues that a model is trained on: how many, which are cut, what is missing."""

from __future__ import annotations

from collections.abc import Iterable

from semanticmac.cache.manifest import Row
from semanticmac.core import counted
from semanticmac.model.config import ModelConfig
from semanticmac.run.dialogues import context_notes
from semanticmac.train.data import TrainData


def dialogue_notes(data: TrainData, model: ModelConfig) -> list[str]:
    """Sentences about the train and validation dialogues; none for a model that reads clips."""
    names: set[str] = set()
    cut: set[str] = set()
    utterances: dict[str, Row] = {}
    alone = 0
    for dialogues in (data.train_dialogues, data.valid_dialogues):
        # A dialogue with targets in train and in valid is in both; that does not cut it.
        seen: set[str] = set()
        for window in () if dialogues is None else dialogues.windows:
            first = window.utterances[0]
            name = first.dialogue
            if name is None or first.position is None:
                alone += 1
            elif name in seen:
                cut.add(name)
            else:
                seen.add(name)
            for row in window.utterances:
                utterances[row.clip_id] = row
        names |= seen
    if not utterances:
        return []
    without_speaker = sum(row.speaker is None for row in utterances.values())

    notes = [
        f"{counted(len(names), 'dialogue')} of {counted(len(utterances), 'utterance')}; the model "
        f"{context_notes(model)[0]}"
    ]
    if cut:
        notes.append(
            f"longer than dialogue_window={model.dialogue_window}: "
            f"{counted(len(cut), 'dialogue', 'are')} read in windows that share "
            f"{model.dialogue_overlap} utterances"
        )
        if model.future > model.dialogue_overlap:
            notes.append(
                f"at the end of such a window only {model.dialogue_overlap} of future="
                f"{model.future} utterances are read"
            )
    if alone:
        notes.append(
            f"{counted(alone, 'clip', 'have')} no dialogue or no position: each is read alone"
        )
    shared = _shared_positions(utterances.values())
    if shared:
        notes.append(
            f"{counted(shared, 'utterance', 'have')} the position of an earlier one of the same "
            "dialogue: they are read in the order of the manifest"
        )
    if without_speaker:
        notes.append(
            f"{counted(without_speaker, 'utterance', 'have')} no speaker: they count as one "
            "further speaker of their dialogue"
        )
    return notes


def _shared_positions(rows: Iterable[Row]) -> int:
    """How many utterances have a position that another one of their dialogue has before them."""
    seen: set[tuple[str, int]] = set()
    shared = 0
    for row in rows:
        if row.dialogue is None or row.position is None:
            continue
        place = (row.dialogue, row.position)
        shared += place in seen
        seen.add(place)
    return shared
