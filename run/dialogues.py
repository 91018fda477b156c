"""What a model reads of a dialogue beside the target: its windows, and words for tables."""

from __future__ import annotations

from semanticmac.cache.windows import WindowSize
from semanticmac.core import counted
from semanticmac.model.config import ModelConfig


def context_words(model: ModelConfig) -> str:
    """The other utterances of the dialogue that a model reads, for a column; empty: none."""
    if model.reads_dialogues:
        return f"all before, {model.future} after" if model.future else "all before"
    if model.clips_before:
        return f"{model.clips_before} before"
    return ""


def context_notes(model: ModelConfig) -> tuple[str, ...]:
    """The same as a sentence beside every score."""
    if model.reads_dialogues:
        after = "nothing after it"
        if model.future:
            after = f"up to {counted(model.future, 'utterance')} after it"
        return (f"reads the dialogue before each target, and {after} (future={model.future})",)
    if model.clips_before:
        before = counted(model.clips_before, "clip")
        return (f"reads up to {before} of the dialogue before each target, and nothing after it",)
    return ()


def window_size(model: ModelConfig) -> WindowSize:
    """How the dialogues of a model that reads dialogues are cut."""
    return WindowSize(model.dialogue_window, model.dialogue_overlap, model.future)
