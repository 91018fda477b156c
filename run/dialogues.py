"""What a model reads of a dialogue beside the target: its windows, and words for tables."""

from __future__ import annotations

from semanticmac.cache.windows import WindowSize
from semanticmac.model.config import ModelConfig


def window_size(model: ModelConfig) -> WindowSize:
    """How the dialogues of a model that reads dialogues are cut."""
    return WindowSize(model.dialogue_window, model.dialogue_overlap, model.future)
