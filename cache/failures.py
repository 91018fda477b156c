"""failures.jsonl: the clips that are not in the cache, or not as one would expect, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from semanticmac.cache.atomic_io import as_text, write_text


@dataclass(frozen=True)
class Failure:
    """What a person should know of one clip."""

    clip_id: str
    video: str
    reason: str
    cached: bool  # True: it is in the cache all the same ("no audio track"); False: it is not


def write_failures(path: Path, failures: Iterable[Failure]) -> None:
    """One JSON object a line; an empty file says that there were none."""
    lines = (json.dumps(asdict(failure), ensure_ascii=False) + "\n" for failure in failures)
    write_text(path, as_text("".join(lines)))


def read_failures(path: Path) -> list[Failure]:
    """What the last build wrote; nothing where none has run."""
    if not path.exists():
        return []
    return [
        Failure(**json.loads(line)) for line in path.read_text(encoding="utf-8").split("\n") if line
    ]
