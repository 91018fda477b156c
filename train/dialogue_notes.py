"""Remarks on the dialogues that a model is trained on: how many, which are cut, what is missing."""

from __future__ import annotations

from semanticmac.core import counted
from semanticmac.model.config import ModelConfig
from semanticmac.run.dialogues import context_notes
from semanticmac.train.data import TrainData


def dialogue_notes(data: TrainData, model: ModelConfig) -> list[str]:
    """Sentences about the train and validation dialogues; none for a model that reads clips."""
    windows = []
    for dialogues in (data.train_dialogues, data.valid_dialogues):
        windows += [] if dialogues is None else dialogues.windows
    if not windows:
        return []

    names: dict[str, int] = {}
    utterances: dict[str, str | None] = {}
    alone = 0
    for window in windows:
        first = window.utterances[0]
        name = first.dialogue
        if name is None or first.position is None:
            alone += 1
        else:
            names[name] = names.get(name, 0) + 1
        for row in window.utterances:
            utterances[row.clip_id] = row.speaker
    cut = sum(count > 1 for count in names.values())
    without_speaker = sum(speaker is None for speaker in utterances.values())

    notes = [
        f"{counted(len(names), 'dialogue')} of {counted(len(utterances), 'utterance')}; the model "
        f"{context_notes(model)[0]}"
    ]
    if cut:
        notes.append(
            f"longer than dialogue_window={model.dialogue_window}: "
            f"{counted(cut, 'dialogue', 'are')} read in windows that share "
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
    if without_speaker:
        notes.append(
            f"{counted(without_speaker, 'utterance', 'have')} no speaker: they count as one "
            "further speaker of their dialogue"
        )
    return notes
