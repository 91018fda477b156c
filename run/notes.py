"""Warnings about a model that every table and page repeats."""

from __future__ import annotations

from collections.abc import Sequence

from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.streams import Streams

# A remark on predictions of a run that `eval` has not scored.
NO_TRUST = (
    "no intervals, and no comparison with the train clips: `semanticmac eval` has not fitted them "
    "for this run"
)


def stream_notes(streams: Streams) -> tuple[str, ...]:
    """A warning for each encoder that is untrained or has never seen real people."""
    notes: dict[str, None] = {}
    for stream in streams.all:
        notes.update(dict.fromkeys(encoder_notes(stream)))
    return tuple(notes)


def encoder_notes(fingerprint: Fingerprint) -> tuple[str, ...]:
    """A warning where the encoder is untrained or has never seen real people; empty for others."""
    name = fingerprint.encoder
    if fingerprint.demo_only:
        return (
            f"{name} knows drawn faces and synthetic voices only "
            "and says nothing about real people",
        )
    if not fingerprint.trained:
        return (
            f"{name} is untrained (random weights): what it makes of video and audio means little",
        )
    return ()


def unfinished_notes(finished: bool, best_epoch: int) -> tuple[str, ...]:
    """A warning where the weights are those of a training that still goes on or was stopped."""
    if finished:
        return ()
    return (f"training is not finished: epoch {best_epoch} is scored, the best so far",)


def cut_text_notes(cut: int, clips: int, max_tokens: int) -> tuple[str, ...]:
    """A warning where texts were longer than what the language model reads of them."""
    if not cut:
        return ()
    return (f"longer than max_tokens={max_tokens}: {cut} of {clips} texts lost their end",)


def notes_of_runs(runs: Sequence[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
    """(name of a run, its notes) → all notes once; the name before a note that others lack."""
    notes: dict[str, None] = {}
    for name, run_notes in runs:
        for note in run_notes:
            shared = all(note in other_notes for _, other_notes in runs)
            notes[note if shared else f"{name}: {note}"] = None
    return tuple(notes)
