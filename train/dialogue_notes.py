"""Remarks on the dialogues that a model is trained on: how many, which are cut, what is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from semanticmac.cache.manifest import Row
from semanticmac.cache.windows import Window
from semanticmac.core import counted
from semanticmac.model.config import ModelConfig
from semanticmac.run.dialogues import context_notes
from semanticmac.train.data import TrainData


@dataclass
class _Dialogues:
    """The train and validation dialogues as the model reads them."""

    names: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)  # longer than a window
    utterances: dict[str, Row] = field(default_factory=dict)  # by clip id
    alone: int = 0  # clips without a dialogue or without a position

    def add(self, windows: Iterable[Window]) -> None:
        """Adds the windows of one split."""
        # A dialogue with targets in train and in valid is in both; that does not cut it.
        seen: set[str] = set()
        for window in windows:
            first = window.utterances[0]
            name = first.dialogue
            if name is None or first.position is None:
                self.alone += 1
            elif name in seen:
                self.cut.add(name)
            else:
                seen.add(name)
            for row in window.utterances:
                self.utterances[row.clip_id] = row
        self.names |= seen


def dialogue_notes(data: TrainData, model: ModelConfig) -> list[str]:
    """Sentences about the train and validation dialogues; none for a model that reads clips."""
    read = _Dialogues()
    for dialogues in (data.train_dialogues, data.valid_dialogues):
        if dialogues is not None:
            read.add(dialogues.windows)
    if not read.utterances:
        return []

    notes = [
        f"{counted(len(read.names), 'dialogue')} of {counted(len(read.utterances), 'utterance')}; "
        f"the model {context_notes(model)[0]}"
    ]
    if read.cut:
        notes.append(
            f"longer than dialogue_window={model.dialogue_window}: "
            f"{counted(len(read.cut), 'dialogue', 'are')} read in windows that share "
            f"{model.dialogue_overlap} utterances"
        )
        if model.future > model.dialogue_overlap:
            notes.append(
                f"at the end of such a window only {model.dialogue_overlap} of future="
                f"{model.future} utterances are read"
            )
    if read.alone:
        notes.append(
            f"{counted(read.alone, 'clip', 'have')} no dialogue or no position: each is read alone"
        )
    return notes + _row_notes(read.utterances.values())


def _row_notes(rows: Collection[Row]) -> list[str]:
    """Sentences about utterances that share a position or have no speaker."""
    notes: list[str] = []
    shared = _shared_positions(rows)
    if shared:
        notes.append(
            f"{counted(shared, 'utterance', 'have')} the position of an earlier one of the same "
            "dialogue: they are read in the order of the manifest"
        )
    without_speaker = sum(row.speaker is None for row in rows)
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
