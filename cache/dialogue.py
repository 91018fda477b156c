"""The conversation setting: which clips of a dialogue come before a clip, and what of them a model may see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from semanticmac.cache.manifest import Row


@dataclass(frozen=True)
class ContextClip:
    """A clip that comes before the target: what is said, heard and seen in it.

    It has no place for a label.
    """

    text: str
    vision: np.ndarray | None  # (F, E) float16
    audio: np.ndarray | None


def context_text(clips: Iterable[ContextClip | Row]) -> str:
    """The texts of the clips before a target as one, the context of a tokenizer's pair; empty where nothing was."""
    return " ".join(text for clip in clips if (text := clip.text.strip()))


def preceding_rows(
    every: Sequence[Row], targets: Sequence[Row], limit: int
) -> list[tuple[Row, ...]]:
    """For each target the last `limit` clips of its dialogue before it, the oldest first.

    `every` holds all clips of the manifest: a clip before the target is input whatever its split and with or without a
    label, as it has been said by then. A clip without dialogue or position has none before it and is none.
    """
    dialogues: dict[str, list[tuple[int, Row]]] = {}
    for row in every:
        if row.dialogue is not None and row.position is not None:
            dialogues.setdefault(row.dialogue, []).append((row.position, row))
    for clips in dialogues.values():
        clips.sort(key=lambda clip: clip[0])
    found = []
    for target in targets:
        place = target.position
        said = (
            dialogues.get(target.dialogue, [])
            if target.dialogue is not None and place is not None
            else []
        )
        found.append(
            tuple(row for position, row in said if place is not None and position < place)[-limit:]
        )
    return found
