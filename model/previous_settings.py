"""Names that settings of the model had in earlier versions. Old run folders still use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def current_settings(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Saved settings of the model under their present names.

    Until version 0.1 one `embedding_width` held for vision and audio.
    """
    settings: dict[str, Any] = {}
    for key, value in saved.items():
        if key == "embedding_width":
            settings["vision_width"] = settings["audio_width"] = value
        else:
            settings[key] = value
    return settings
