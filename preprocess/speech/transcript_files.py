"""Transcripts that people have already: .srt, .vtt, .txt and the JSON of Whisper programs."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.tables import read_text
from semanticmac.preprocess.speech.spans import Span
from semanticmac.preprocess.speech.words import Word, spread

SUFFIXES = (".srt", ".vtt", ".json", ".txt")
# "00:01:02,500", "01:02.500" or "1:02:03.5"
_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,3})?)"
_ARROW = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")  # <i>, <v Anna>, <00:01.000>, {\an8}


@dataclass(frozen=True)
class Transcript:
    """The words of one recording."""

    words: tuple[Word, ...]
    text: str = ""  # only of a .txt, which has no times; then `words` is empty
    note: str = ""  # how exact the times are


def read_transcript(path: Path) -> Transcript:
    """Reads a transcript by its suffix. Raises CorpusError, with the line, for a wrong one."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise CorpusError(f"{path} is no transcript: expected {', '.join(SUFFIXES)}")
    text = read_text(path)
    if suffix == ".txt":
        words = " ".join(text.split())
        return Transcript((), words, f"{path.name} has no times: those of its words are estimated")
    if suffix == ".json":
        return _read_json(path, text)
    return _read_cues(path, text)


def _read_cues(path: Path, text: str) -> Transcript:
    """SubRip and WebVTT: a line with two times, then lines of text, then an empty line."""
    words: list[Word] = []
    lines = text.split("\n")
    cues = 0
    index = 0
    while index < len(lines):
        match = _ARROW.match(lines[index])
        if match is None:
            if "-->" in lines[index]:
                raise CorpusError(
                    f"{path}, line {index + 1}: {lines[index].strip()!r} is no pair of times, "
                    "such as 00:01:02,500 --> 00:01:04,000"
                )
            index += 1
            continue
        span = Span(_seconds(match.groups()[:3]), _seconds(match.groups()[3:]))
        if span.length_s < 0:
            raise CorpusError(f"{path}, line {index + 1}: the cue ends before it begins")
        cues += 1
        index += 1
        spoken: list[str] = []
        while index < len(lines) and lines[index].strip():
            spoken.append(html.unescape(_TAG.sub("", lines[index])))
            index += 1
        words += spread(" ".join(spoken), span)
    if not cues:
        raise CorpusError(
            f"{path} has no cue: expected lines such as 00:01:02,500 --> 00:01:04,000"
        )
    return Transcript(tuple(words), note=f"{path.name} has the times of lines, not of words")


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds = parts
    assert minutes is not None and seconds is not None
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))


def _read_json(path: Path, text: str) -> Transcript:
    """Whisper, whisperX and faster-whisper: {"segments": [{"start", "end", "text", "words"?}]}."""
    expected = 'expected {"segments": [{"start": 0.0, "end": 2.5, "text": "…"}]}'
    try:
        content = json.loads(text)
        segments = content["segments"] if isinstance(content, dict) else content
        words: list[Word] = []
        estimated = False
        for segment in segments:
            timed = _timed_words(segment)
            if timed is None:
                estimated = True
                span = Span(float(segment["start"]), float(segment["end"]))
                timed = spread(str(segment["text"]), span)
            words += timed
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise CorpusError(f"{path} is no transcript of Whisper ({reason}); {expected}") from None
    note = f"{path.name} has the times of lines, not of words" if estimated else ""
    return Transcript(tuple(words), note=note)


def _timed_words(segment: Any) -> list[Word] | None:
    """The words of a segment with their times; None unless all of them have times."""
    entries = segment.get("words")
    if not entries:
        return None
    words: list[Word] = []
    for entry in entries:
        if "start" not in entry or "end" not in entry:
            return None
        text = str(entry.get("word", entry.get("text", ""))).strip()
        words.append(Word(text, float(entry["start"]), float(entry["end"])))
    return words
