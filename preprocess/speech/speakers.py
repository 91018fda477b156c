"""Who speaks when, from an RTTM file of another program, and utterances of one speaker each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.tables import read_text
from semanticmac.preprocess.speech.spans import Span, SpanLimits


@dataclass(frozen=True)
class Turn:
    """One speaker, for a stretch of the recording."""

    speaker: str
    span: Span


def read_rttm(path: Path) -> dict[str, list[Turn]]:
    """The turns of every recording in an RTTM file, by the recording's name, in order of time.

    A line is `SPEAKER name channel start length <NA> <NA> speaker …`; other line types are passed
    over. Raises CorpusError, with the line, for a wrong one.
    """
    turns: dict[str, list[Turn]] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        try:
            name, speaker = fields[1], fields[7]
            start_s, length_s = float(fields[3]), float(fields[4])
        except (IndexError, ValueError):
            raise CorpusError(
                f"{path}, line {number}: expected `SPEAKER name channel start length <NA> <NA> "
                f"speaker`, but read {line.strip()!r}"
            ) from None
        turns.setdefault(name, []).append(Turn(speaker, Span(start_s, start_s + length_s)))
    if not turns:
        raise CorpusError(f"{path} has no line that begins with SPEAKER")
    for entries in turns.values():
        entries.sort(key=lambda turn: turn.span.start_s)
    return turns


def split_at_turns(spans: Sequence[Span], turns: Sequence[Turn], limits: SpanLimits) -> list[Span]:
    """Cuts utterances where the speaker changes, if both parts last at least `min_s`."""
    changes: list[float] = []
    for before, after in pairwise(turns):
        if before.speaker != after.speaker:
            changes.append((before.span.end_s + after.span.start_s) / 2)
    cut: list[Span] = []
    for span in spans:
        start_s = span.start_s
        for change_s in changes:
            if start_s + limits.min_s <= change_s <= span.end_s - limits.min_s:
                cut.append(Span(start_s, change_s))
                start_s = change_s
        cut.append(Span(start_s, span.end_s))
    return cut


def speaker_of(span: Span, turns: Sequence[Turn]) -> str:
    """The speaker who speaks longest in an utterance; empty if nobody does."""
    spoken_s: dict[str, float] = {}
    for turn in turns:
        overlap_s = span.overlap_s(turn.span)
        if overlap_s > 0:
            spoken_s[turn.speaker] = spoken_s.get(turn.speaker, 0.0) + overlap_s
    if not spoken_s:
        return ""
    return max(spoken_s, key=lambda speaker: spoken_s[speaker])
