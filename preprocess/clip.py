"""Clips: the records of stage 1, and the checks that every corpus must pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from semanticmac.cache.records import RawClip
from semanticmac.core import SPLITS, Label, Task
from semanticmac.preprocess.file_names import existing_spelling

if TYPE_CHECKING:  # the corpora start without pyarrow
    from semanticmac.cache.manifest import Row

__all__ = [
    "MAX_POSITION",
    "Clip",
    "ClipStatus",
    "Corpus",
    "CorpusError",
    "DecodeError",
    "RawClip",
    "check_clips",
    "inside",
    "is_there",
    "leads_out",
]

MAX_POSITION = 2**31 - 1  # the largest that the manifest can hold

State = Literal["new", "cached", "retained", "missing", "failed"]


class CorpusError(Exception):
    """A download is not as its reader expects; the message says what was expected, and where."""


class DecodeError(Exception):
    """One clip could not be decoded; the message gives the reason."""


@dataclass(frozen=True)
class Clip:
    """One utterance of a corpus, before decoding."""

    clip_id: str  # unique in the corpus
    video: Path  # its file; if it does not exist, this clip fails and the build continues
    start_s: float = 0.0
    end_s: float | None = None  # None = to the end of the file
    text: str = ""  # transcript; empty = the text is missing
    # Keys: multimodal, text, audio, vision.
    labels: Mapping[str, Label] = field(default_factory=dict)
    split: str | None = None  # one of SPLITS; None = cached and predicted, never trained on
    dialogue: str | None = None
    position: int | None = None  # number in the dialogue, from 0
    speaker: str | None = None
    # The half of the frame that shows the speaker; None = the whole frame.
    crop: Literal["left", "right"] | None = None
    # Why the clip cannot be used, found while its corpus was read; the clip fails with this reason.
    problem: str = ""


@dataclass
class ClipStatus:
    """The state of one content key during a build. Clips with the same content share it.

    new: to decode; cached: its frames are stored; missing: no file exists and no frames are stored;
    failed: it could not be read, decoded or encoded; retained: missing or failed, but the previous
    build made its embeddings.
    """

    key: str  # content key; empty if no file of it was ever read
    clip: Clip  # the clip to decode
    state: State = "new"
    reason: str = ""  # why it is missing or failed
    record: bytes | None = None  # decoded just now, not in the frame store yet
    row: Row | None = None  # only of a retained clip: its row in the previous manifest
    # Ids of its clips whose file does not exist.
    without_file: set[str] = field(default_factory=set)

    def fail(self, reason: str) -> None:
        self.state, self.reason = "failed", reason


@dataclass(frozen=True)
class Corpus:
    """The clips of one download with their texts, labels and splits."""

    name: str
    task: Task | None  # None: no labels, so it can be cached and predicted, but not trained on
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()  # for the user: guessed splits, unlabelled rows
    cached_as: str | None = None  # its name in the cache; None = `name`
    # The clips are texts without video or audio; each clip's `video` is the table that holds it.
    texts_only: bool = False
    # Clips that are defective in every download: clip id → defect.
    known_bad: Mapping[str, str] = field(default_factory=dict)
    shortfall: str = ""  # one of the notes: how many clips of the complete download are absent

    @property
    def dataset(self) -> str:
        """The name in the cache."""
        return self.cached_as or self.name


def inside(root: Path, relative: str) -> Path:
    """The file that a label file names, as a path below root.

    Raises CorpusError for an absolute path and for a `..` that leaves root. Links are not followed;
    `leads_out` checks them.
    """
    if "\0" in relative:
        raise CorpusError(f"the file name {relative!r} contains a NUL byte")
    for base in (root.absolute(), root.resolve()):
        if Path(os.path.normpath(base / relative)).is_relative_to(os.path.normpath(base)):
            return existing_spelling(root, relative)
    raise CorpusError(
        f"{relative!r} leads out of {root}; a label file may name only files in the corpus folder"
    )


def leads_out(root: Path, path: Path) -> bool:
    """Whether a link makes `path` a file outside root. A broken link does not lead out."""
    try:
        return not path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # RuntimeError: a circle of links, before Python 3.13
        return False


def is_there(file: Path) -> bool:
    """True if the file exists. False, and no error, for a name too long or an unreadable folder."""
    try:
        return file.is_file()
    except OSError:
        return False


def check_clips(clips: Iterable[Clip], name: str) -> list[Clip]:
    """The clips of a corpus as a list. Raises CorpusError for the first defect."""
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
                f"{name}: clip {clip.clip_id!r} has split {clip.split!r}, "
                f"expected one of {expected}"
            )
        if clip.position is not None and not 0 <= clip.position <= MAX_POSITION:
            raise CorpusError(
                f"{name}: clip {clip.clip_id!r} has position {clip.position}, "
                f"expected 0 … {MAX_POSITION}"
            )
        if clip.start_s < 0 or (clip.end_s is not None and clip.end_s <= clip.start_s):
            raise CorpusError(
                f"{name}: clip {clip.clip_id!r} runs from {clip.start_s} s to {clip.end_s} s"
            )
    return checked
