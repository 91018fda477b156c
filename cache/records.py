"""What the frozen encoders make of one clip: the record that stage 1 writes and stage 2 reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Embeddings:
    """One clip's embeddings, row k at k/2 s in both.

    A modality that the clip does not have is None, never zeros.
    """

    vision: np.ndarray | None  # (F, width) float16
    audio: np.ndarray | None  # (F, width) float16

    def __post_init__(self) -> None:
        if self.vision is None and self.audio is None:
            raise ValueError(
                "a clip's embeddings hold neither vision nor audio; a clip without both cannot be encoded"
            )
