"""Features: what every fusion reads, and FusionOutput: what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from semanticmac.core import SUB_TASKS
from semanticmac.model.attention import masked_mean


@dataclass(frozen=True)
class Features:
    """B clips. In a mask True = real; a modality is absent if its row of the mask has no True.

    The content of padding and of an absent modality is zero. Every modality has at least one
    column of tokens or frames.
    """

    text: Tensor  # (B, L, D_t) last hidden states of the language model
    text_mask: Tensor  # (B, L) bool
    audio: Tensor  # (B, F_a, E_a) frames of the cache, real frames first
    audio_mask: Tensor  # (B, F_a) bool
    vision: Tensor  # (B, F_v, E_v)
    vision_mask: Tensor  # (B, F_v) bool
    # (B, D_t) one state of each text, chosen by the setting `pooling`; zero without text. None: the
    # mean of its tokens.
    pooled_text: Tensor | None = None

    def text_state(self) -> Tensor:
        """(B, D_t): one state of each text."""
        if self.pooled_text is not None:
            return self.pooled_text
        return masked_mean(self.text, self.text_mask)

    @property
    def present(self) -> Tensor:
        """(B, 3) bool in the order of MODALITIES: the modalities that each clip has."""
        masks = (self.text_mask, self.audio_mask, self.vision_mask)
        return torch.stack([mask.any(1) for mask in masks], dim=1)


@dataclass(frozen=True)
class Widths:
    """The width of one token or frame of each modality."""

    text: int
    audio: int
    vision: int


@dataclass(frozen=True)
class FusionOutput:
    """The outputs of a fusion for B clips.

    A fusion fills `predictions` and `states`. The network around it fills `present`.
    """

    # Head → (B, K) scores or logits. `multimodal` is always there and is the one that is scored;
    # the other names are those of SUB_TASKS.
    predictions: dict[str, Tensor]
    # What the loss of the method needs, by name, such as `private.text`. Each has B rows.
    states: dict[str, Tensor] = field(default_factory=dict)
    present: Tensor | None = None  # (B, 3) bool: the modalities that a clip has and the model reads

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, for `with_tensors`. Each has B rows."""
        named = {}
        for name, tensor in self.predictions.items():
            named[f"predictions.{name}"] = tensor
        for name, tensor in self.states.items():
            named[f"states.{name}"] = tensor
        if self.present is not None:
            named["present"] = self.present
        return named

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> FusionOutput:
        """The same output with other tensors."""
        predictions = {name: tensors[f"predictions.{name}"] for name in self.predictions}
        states = {name: tensors[f"states.{name}"] for name in self.states}
        return FusionOutput(predictions, states, tensors.get("present"))

    def sub_tasks(self) -> Tensor:
        """(B, 5, K) in the order of SUB_TASKS; NaN for a sub-task without a head."""
        blank = torch.full_like(self.predictions["multimodal"], torch.nan)
        heads = [self.predictions.get(name, blank) for name in SUB_TASKS]
        return torch.stack(heads, dim=1)
