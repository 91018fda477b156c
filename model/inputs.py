"""ModelInputs: the tensors that every model of this package reads from a batch."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class DialogueInputs(Protocol):
    """Where each of U utterances stands in its dialogue."""

    @property
    def dialogues(self) -> int: ...  # D
    @property
    def longest(self) -> int: ...  # N, utterances of the longest dialogue
    @property
    def dialogue(self) -> Tensor: ...  # (U,) int64 number of its dialogue
    @property
    def position(self) -> Tensor: ...  # (U,) int64 from 0 in its dialogue, without gaps
    @property
    def speaker(self) -> Tensor: ...  # (U,) int64 number of its speaker, by first appearance
    @property
    def scored(self) -> Tensor: ...  # (U,) bool, False = input alone


class ModelInputs(Protocol):
    """B clips. In a mask True = real; a modality is absent if its row has no True."""

    @property
    def token_ids(self) -> Tensor: ...  # (B, L) int64
    @property
    def token_mask(self) -> Tensor: ...  # (B, L) bool
    @property
    def audio(self) -> Tensor: ...  # (B, F, E) float
    @property
    def audio_mask(self) -> Tensor: ...  # (B, F) bool
    @property
    def vision(self) -> Tensor: ...  # (B, F, E) float
    @property
    def vision_mask(self) -> Tensor: ...  # (B, F) bool

    # The conversation setting alone reads these two.
    @property
    def token_types(self) -> Tensor | None: ...  # (B, L) int64 segments; None: no segments
    @property
    def frame_context(self) -> Tensor | None: ...  # (B, F) bool, True = before the target

    # Models of dialogues alone read this. None: each clip is a dialogue of its own.
    @property
    def dialogues(self) -> DialogueInputs | None: ...
