"""Dialogues as windows: all utterances in order, and which of them are scored in which window.

A dialogue that is longer than a window is cut into windows that share utterances. Every target
utterance is scored in exactly one window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from semanticmac.cache.dialogue import by_dialogue
from semanticmac.cache.manifest import Row


@dataclass(frozen=True)
class WindowSize:
    """How dialogues are cut. Raises ValueError where a window would score nothing."""

    utterances: int = 128  # in a window, at most
    overlap: int = 32  # utterances before the first scored one of a later window
    future: int = 0  # utterances after each target that a model reads, at most

    def __post_init__(self) -> None:
        if self.overlap < 0 or self.future < 0:
            raise ValueError(f"overlap={self.overlap} and future={self.future} must be at least 0")
        if self.utterances <= self.overlap + self.after:
            raise ValueError(
                f"dialogue_window={self.utterances} must be greater than {self.overlap} + "
                f"{self.after}, the utterances that windows share before and after those they score"
            )

    @property
    def after(self) -> int:
        """Utterances after the last scored one where the dialogue goes on."""
        return min(self.future, self.overlap)


@dataclass(frozen=True)
class Window:
    """Consecutive utterances of one dialogue. At least one of them is scored."""

    utterances: tuple[Row, ...]
    # The number of each speaker, by first appearance in the dialogue. Clips without a speaker have
    # one common number.
    speakers: tuple[int, ...]
    scored: tuple[bool, ...]


def dialogue_windows(rows: Sequence[Row], targets: Sequence[Row], size: WindowSize) -> list[Window]:
    """The windows in which the targets are scored, in the order of their first target.

    rows: all clips of the manifest. An utterance is input whatever its split, with or without a
    label. A clip without dialogue or position is a dialogue of its own. Utterances that no target
    reads are left out: those later than `future` after the last target.
    """
    wanted = {row.clip_id for row in targets}
    windows = []
    for dialogue in _dialogues(rows):
        windows += _cut(dialogue, wanted, size)
    order = {row.clip_id: number for number, row in enumerate(targets)}

    def first_target(window: Window) -> int:
        first = len(order)
        for row, scored in zip(window.utterances, window.scored, strict=True):
            if scored:
                first = min(first, order[row.clip_id])
        return first

    return sorted(windows, key=first_target)


def longest_dialogue(rows: Sequence[Row]) -> int:
    """Utterances of the longest dialogue; 0 without clips."""
    return max((len(dialogue) for dialogue in _dialogues(rows)), default=0)


def _dialogues(rows: Sequence[Row]) -> list[list[Row]]:
    """The utterances of every dialogue by position; clips of one position in manifest order."""
    dialogues = []
    for clips in by_dialogue(rows).values():
        dialogues.append([row for _, row in clips])
    for row in rows:
        if row.dialogue is None or row.position is None:
            dialogues.append([row])
    return dialogues


def _cut(dialogue: list[Row], wanted: set[str], size: WindowSize) -> list[Window]:
    pending = [i for i, row in enumerate(dialogue) if row.clip_id in wanted]
    if not pending:
        return []
    # What comes later is read by no target.
    length = min(len(dialogue), pending[-1] + size.future + 1)
    speakers = _speaker_numbers(dialogue)
    windows = []
    while pending:
        start = max(0, min(pending[0] - size.overlap, length - size.utterances))
        end = min(length, start + size.utterances)
        last_scored = end if end == length else end - size.after
        scored = {i for i in pending if i < last_scored}
        pending = [i for i in pending if i >= last_scored]
        inside = range(start, end)
        windows.append(
            Window(
                tuple(dialogue[start:end]),
                tuple(speakers[start:end]),
                tuple(i in scored for i in inside),
            )
        )
    return windows


def _speaker_numbers(dialogue: Sequence[Row]) -> list[int]:
    numbers: dict[str | None, int] = {}
    return [numbers.setdefault(row.speaker, len(numbers)) for row in dialogue]
