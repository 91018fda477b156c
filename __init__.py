"""SemanticMAC: affect from human-spoken videos, in two stages with a feature cache between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from semanticmac.inference import Predictor

__version__ = "0.2.0.dev0"


def load(
    folder: str | Path, *, encoder: str | Path | None = None, device: str = "auto"
) -> Predictor:
    """A trained model that predicts videos: `load("runs/mosi-001").predict("clip.mp4", text="what is said")`."""
    from semanticmac.inference import (
        load,  # here, so that importing the package loads nothing heavy
    )

    return load(folder, encoder=encoder, device=device)
