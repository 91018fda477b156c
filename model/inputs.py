"""ModelInputs: the tensors that every model of this package reads from a batch."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


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
