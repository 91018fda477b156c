"""One recording → its utterances: voice activity, words, speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semanticmac.core import ProgressFn
from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.speech.activity import VoiceActivity
from semanticmac.preprocess.speech.audio import read_pieces
from semanticmac.preprocess.speech.recognition import Recogniser, blocks, transcribe
from semanticmac.preprocess.speech.spans import HOP_S, Span, SpanLimits, speech_spans
from semanticmac.preprocess.speech.speakers import Turn, speaker_of, split_at_turns
from semanticmac.preprocess.speech.transcript_files import Transcript
from semanticmac.preprocess.speech.words import Word, assign, spread_over

SHARE_WITHOUT_WORDS = 0.2  # of the utterances; more of them is worth a note


class NobodySpeaks(DecodeError):
    """The audio of a recording holds no speech."""


@dataclass(frozen=True)
class Utterance:
    """What one person says without a long pause."""

    start_s: float
    end_s: float
    text: str = ""
    speaker: str = ""
    words: tuple[Word, ...] = ()  # of `text`; their times are from the start of the recording


@dataclass(frozen=True)
class Recording:
    """The utterances of one file, in order."""

    duration_s: float
    utterances: tuple[Utterance, ...]
    notes: tuple[str, ...] = ()  # for the user


def segment_recording(
    path: Path,
    activity: VoiceActivity,
    limits: SpanLimits,
    progress: ProgressFn,
    *,
    transcript: Transcript | None = None,
    recogniser: Recogniser | None = None,
    turns: Sequence[Turn] = (),
) -> Recording:
    """Finds the utterances of one file.

    transcript: its words, if they are known; recogniser: writes them down otherwise; turns: who
    speaks when. Audio is read piece by piece; only a recogniser keeps it in memory (115 MB an
    hour).

    Raises NobodySpeaks if nobody speaks in it, and DecodeError if the file cannot be read or has no
    audio.
    """
    keep = transcript is None and recogniser is not None
    speech, waveform, notes = _listen(path, activity, keep, progress)
    duration_s = len(speech) * HOP_S
    spans = split_at_turns(speech_spans(speech, limits), turns, limits)

    words: list[Word] | None = None
    if transcript is not None:
        words = _words_of(transcript, spans)
        notes += [transcript.note] if transcript.note else []
    elif recogniser is not None:
        words = _recognise(recogniser, waveform, spans, progress)
    groups: list[list[Word]] = [[] for _ in spans]
    if words is not None:
        before = len(spans)
        spans, groups = assign(words, spans, limits)
        notes += _word_notes(len(spans) - before, groups, words, duration_s)
    if not spans:
        raise NobodySpeaks(f"nobody speaks in its {duration_s:.1f} s of audio ({activity.name})")

    utterances: list[Utterance] = []
    for span, group in zip(spans, groups, strict=True):
        text = " ".join(word.text for word in group)
        speaker = speaker_of(span, turns)
        utterances.append(
            Utterance(
                round(span.start_s, 3), round(span.end_s, 3), text, speaker, words=tuple(group)
            )
        )
    return Recording(duration_s, tuple(utterances), tuple(notes))


def _listen(
    path: Path, activity: VoiceActivity, keep: bool, progress: ProgressFn
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(n,) probability of speech, the waveform if it is kept, and remarks on the file."""
    speech: list[np.ndarray] = []
    samples: list[np.ndarray] = [np.zeros(0, np.int16)]
    notes: dict[str, None] = {}
    for piece in read_pieces(path):
        if len(piece.samples):
            speech.append(activity.speech(piece.samples))
        if keep:
            samples.append(piece.samples)
        notes.update(dict.fromkeys(piece.notes))
        done_s = sum(len(part) for part in speech) * HOP_S
        progress(f"listening to {path.name}", round(done_s), max(1, round(piece.total_s)), 0)
    if not speech:
        raise DecodeError("its audio track holds no sample")
    return np.concatenate(speech), np.concatenate(samples), list(notes)


def _words_of(transcript: Transcript, spans: Sequence[Span]) -> list[Word]:
    if transcript.text and spans:
        return spread_over(transcript.text, spans)
    return list(transcript.words)


def _recognise(
    recogniser: Recogniser, waveform: np.ndarray, spans: Sequence[Span], progress: ProgressFn
) -> list[Word]:
    total = len(blocks(spans))
    words: list[Word] = []
    for done, block in enumerate(transcribe(recogniser, waveform, spans), 1):
        words += block
        progress("writing down what is said", done, total, 0)
    return words


def _word_notes(
    unheard: int, groups: Sequence[list[Word]], words: Sequence[Word], duration_s: float
) -> list[str]:
    """What does not fit between a transcript and the audio."""
    notes: list[str] = []
    if unheard > 0:
        notes.append(f"{unheard} utterances come from the transcript alone: no speech is heard")
    silent = sum(not group for group in groups)
    if silent > SHARE_WITHOUT_WORDS * len(groups):
        notes.append(f"{silent} of {len(groups)} utterances have no words")
    late = sum(word.start_s > duration_s + 1 for word in words)
    if late:
        notes.append(
            f"{late} words of the transcript come after the end of the audio at "
            f"{duration_s:.1f} s: does it belong to this file?"
        )
    return notes
