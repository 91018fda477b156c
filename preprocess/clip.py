"""The record every corpus yields, the checks it must pass, and what decoding makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from semanticmac.cache.records import RawClip
from semanticmac.core import SPLITS, Label, Task
from semanticmac.preprocess.file_names import existing_spelling

__all__ = [
    "MAX_POSITION",
    "Clip",
    "Corpus",
    "CorpusError",
    "DecodeError",
    "RawClip",
    "check_clips",
    "inside",
    "is_there",
]

MAX_POSITION = 2**31 - 1  # what the manifest can hold


class CorpusError(Exception):
    """The download is not what its adapter expects; the message says what was expected where."""


class DecodeError(Exception):
    """One clip could not be decoded; the message is the reason that a person reads."""


@dataclass(frozen=True)
class Clip:
    """One utterance of a corpus, before anything was decoded."""

    clip_id: str  # unique in the corpus
    video: (
        Path  # the file that holds it; may not exist, which is that clip's failure, not the run's
    )
    start_s: float = 0.0
    end_s: float | None = None  # None = to the end of the file
    text: str = ""  # transcript; empty = text is absent
    labels: Mapping[str, Label] = field(
        default_factory=dict
    )  # keys: multimodal, text, audio, vision
    split: str | None = None  # one of SPLITS; None = cached and predicted, never trained on
    dialogue: str | None = None
    position: int | None = None  # place in the dialogue, from 0
    speaker: str | None = None
    # the half of the picture that shows the speaker; None = all of it
    crop: Literal["left", "right"] | None = None


@dataclass(frozen=True)
class Corpus:
    """What an adapter reads from one download: everything about the clips that is not pixels or sound."""

    name: str
    task: Task | None  # None: nothing is labelled, so it can be cached and predicted, not trained
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()  # what a person should know: guessed splits, unlabelled rows
    cached_as: str | None = None  # its name in the cache; None = `name`
    known_bad: Mapping[str, str] = field(
        default_factory=dict
    )  # clip id → what is wrong with it in every download

    @property
    def dataset(self) -> str:
        """The name in the cache."""
        return self.cached_as or self.name


def inside(root: Path, relative: str) -> Path:
    """The file that a label file names, as a path that stays inside root.

    Raises CorpusError for an absolute path, a `..` that leaves root, and a link out of it. One that
    leads nowhere is left to whoever opens it: it costs that clip alone.
    """
    if "\0" in relative:
        raise CorpusError(f"the file name {relative!r} holds a NUL byte")
    path = existing_spelling(root, relative)
    try:
        leads_out = not path.resolve().is_relative_to(root.resolve())
    except (
        OSError,
        RuntimeError,
    ):  # RuntimeError: what a link in a circle is to Python before 3.13
        leads_out = False
    if leads_out:
        raise CorpusError(
            f"{relative!r} leads out of {root}: a label file may name only files in the corpus folder"
        )
    return path


def is_there(file: Path) -> bool:
    """Whether the file stands there; no error where its name is too long, or its folder is not ours to look into."""
    try:
        return file.is_file()
    except OSError:
        return False


def check_clips(clips: Iterable[Clip], name: str) -> list[Clip]:
    """The clips of a corpus as a list, or a CorpusError that names what is wrong with them."""
    checked = list(clips)
    if not checked:
        raise CorpusError(f"{name} yields no clips")
    seen: set[str] = set()
    for clip in checked:
        if clip.clip_id in seen:
            raise CorpusError(
                f"{name}: the clip id {clip.clip_id!r} stands twice; ids must be unique in a corpus"
            )
        seen.add(clip.clip_id)
        if clip.split is not None and clip.split not in SPLITS:
            expected = ", ".join(SPLITS)
            raise CorpusError(
                f"{name}: clip {clip.clip_id!r} has split {clip.split!r}, expected one of {expected}"
            )
        if clip.position is not None and not 0 <= clip.position <= MAX_POSITION:
            place = f"position {clip.position}, expected 0 … {MAX_POSITION}"
            raise CorpusError(f"{name}: clip {clip.clip_id!r} has {place}")
        if clip.start_s < 0 or (clip.end_s is not None and clip.end_s <= clip.start_s):
            raise CorpusError(
                f"{name}: clip {clip.clip_id!r} runs from {clip.start_s} s to {clip.end_s} s"
            )
    return checked
