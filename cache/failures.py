"""failures.jsonl: the clips that are not in the cache or lack a modality, with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from semanticmac.cache.atomic_io import as_text, write_text


@dataclass(frozen=True)
class Failure:
    """A remark on one clip."""

    clip_id: str
    video: str
    reason: str
    cached: bool  # True: the clip is in the cache all the same ("no audio track")


def write_failures(path: Path, failures: Iterable[Failure]) -> None:
    """Writes one JSON object per line; an empty file means that there were no failures."""
    text = ""
    for failure in failures:
        text += json.dumps(asdict(failure), ensure_ascii=False) + "\n"
    write_text(path, as_text(text))


def read_failures(path: Path) -> list[Failure]:
    """The failures of the last build; an empty list if there was no build."""
    if not path.exists():
        return []
    failures = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line:
            failures.append(Failure(**json.loads(line)))
    return failures
