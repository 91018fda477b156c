"""run.json as earlier versions wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.streams import Streams
from semanticmac.model.previous_settings import current_settings


def current_content(saved: Mapping[str, Any]) -> dict[str, Any]:
    """The content of run.json under its present keys.

    Version 0.1 had one `fingerprint` for vision and audio, and one width in the model's settings.
    """
    content = {**saved, "model": current_settings(saved["model"])}
    if "fingerprint" in content:
        pair = Fingerprint.from_dict(content.pop("fingerprint"))
        content["streams"] = Streams.of_pair(pair).to_dict()
    return content
