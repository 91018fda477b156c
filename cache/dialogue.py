"""The conversation setting: the clips of a dialogue before a target clip, without their labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from semanticmac.cache.manifest import Row


@dataclass(frozen=True)
class ContextClip:
    """The input of a clip before the target. It has no field for a label, so none can leak."""

    text: str
    vision: np.ndarray | None  # (F, E) float16
    audio: np.ndarray | None  # (F, E) float16
    # (F,) bool, False = this frame was dropped; None = every frame is there
    vision_kept: np.ndarray | None = None
    audio_kept: np.ndarray | None = None


def context_text(clips: Iterable[ContextClip | Row]) -> str:
    """The texts of the clips before a target, joined: the context of a tokenizer's pair."""
    texts = [clip.text.strip() for clip in clips]
    return " ".join(filter(None, texts))


def preceding_rows(
    rows: Sequence[Row], targets: Sequence[Row], limit: int
) -> list[tuple[Row, ...]]:
    """For each target the last `limit` clips of its dialogue before it, oldest first.

    rows: all clips of the manifest. A clip before the target is input whatever its split, with or
    without a label, because it was said before. A clip without dialogue or position has no context
    and is no context.
    """
    dialogues = by_dialogue(rows)
    contexts = []
    for target in targets:
        before: list[Row] = []
        if target.dialogue is not None and target.position is not None:
            clips = dialogues.get(target.dialogue, [])
            before = [row for position, row in clips if position < target.position]
        contexts.append(tuple(before[-limit:]))
    return contexts


def by_dialogue(rows: Iterable[Row]) -> dict[str, list[tuple[int, Row]]]:
    """Dialogue → position and row of its clips, by position; equal positions in manifest order.

    Clips without dialogue or position are left out.
    """
    dialogues: dict[str, list[tuple[int, Row]]] = {}
    for row in rows:
        if row.dialogue is not None and row.position is not None:
            dialogues.setdefault(row.dialogue, []).append((row.position, row))
    for clips in dialogues.values():
        clips.sort(key=_position)
    return dialogues


def _position(clip: tuple[int, Row]) -> int:
    return clip[0]
