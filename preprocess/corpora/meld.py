"""MELD: utterances of a television series, each in its own file; ids repeat across the splits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.labels import read_labels
from semanticmac.preprocess.corpora.notes import preview
from semanticmac.preprocess.corpora.options import Options
from semanticmac.preprocess.corpora.tables import Row, read_table

TASK = Task("single-label", ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"))
REQUIRED = (
    "Utterance",
    "Speaker",
    "Emotion",
    "Dialogue_ID",
    "Utterance_ID",
    "StartTime",
    "EndTime",
)
TIME_CODE = re.compile(r"(\d+):(\d\d):(\d\d),(\d{1,3})")

# Clips that are broken in the official download. They have rows in the label files, and the
# official counts 9989 / 1109 / 2610 include them.
KNOWN_BAD = {
    "train_dia125_utt3": "the video file is corrupt",
    "valid_dia110_utt7": "the video file is not in the download",
    "test_dia38_utt4": "the video file is minutes long",
    "test_dia220_utt0": "the video file is minutes long",
}


@dataclass(frozen=True)
class _Part:
    """One of the three parts of the download."""

    split: str
    table: str
    folder: str


PARTS = (
    _Part("train", "train_sent_emo.csv", "train_splits"),
    _Part("valid", "dev_sent_emo.csv", "dev_splits_complete"),
    _Part("test", "test_sent_emo.csv", "output_repeated_splits_test"),
)


def read(root: Path, options: Options) -> Corpus:
    """All rows of the three label files; a clip id is `<split>_dia<X>_utt<Y>`."""
    clips: list[Clip] = []
    backwards: list[str] = []
    for part in PARTS:
        clips += _read_part(root, part, backwards)
    notes: list[str] = []
    if backwards:
        notes.append(
            f"time codes that run backwards (they are not used): {len(backwards)}, "
            f"{preview(backwards)}"
        )
    return Corpus("meld", TASK, tuple(clips), tuple(notes), known_bad=KNOWN_BAD)


def _find(root: Path, name: str) -> Path | None:
    """The file or folder in any of the places where copies of MELD have it."""
    for base in (root, root / "MELD.Raw", root / "data" / "MELD"):
        if (base / name).exists():
            return base / name
    return None


def _read_part(root: Path, part: _Part, backwards: list[str]) -> list[Clip]:
    """The clips of one label file; adds to `backwards` the ids whose time codes run backwards."""
    table = _find(root, part.table)
    if table is None:
        raise CorpusError(
            f"meld: {root} holds no {part.table}; expected it beside {part.folder}/dia0_utt0.mp4"
        )
    folder = (_find(root, part.folder) or root / part.folder).relative_to(root)
    clips: dict[str, Clip] = {}
    for row in read_table(table, REQUIRED).rows:
        clip = _read_clip(root, folder, part.split, row)
        if clip.clip_id in clips:
            raise row.error(f"the clip {clip.clip_id} appears twice")
        clips[clip.clip_id] = clip
        if time_code_s(row, "EndTime") <= time_code_s(row, "StartTime"):
            backwards.append(clip.clip_id)
    return list(clips.values())


def _read_clip(root: Path, folder: Path, split: str, row: Row) -> Clip:
    dialogue, utterance = _whole_number(row, "Dialogue_ID"), _whole_number(row, "Utterance_ID")
    row.name("Emotion")
    return Clip(
        f"{split}_dia{dialogue}_utt{utterance}",
        inside(root, f"{folder.as_posix()}/dia{dialogue}_utt{utterance}.mp4"),
        text=row.text("Utterance"),
        labels=read_labels(row, TASK, {"Emotion": "multimodal"}),
        split=split,
        dialogue=f"{split}_dia{dialogue}",
        position=utterance,
        speaker=row.text("Speaker") or None,
    )


def _whole_number(row: Row, column: str) -> int:
    value = row.name(column)
    if not (value.isascii() and value.isdigit()):
        raise row.error(f"{column} is {value!r}, expected a whole number")
    return int(value)


def time_code_s(row: Row, column: str) -> float:
    """`00:16:16,059` as seconds from the start of the episode.

    Raises CorpusError for another form. The clips are cut already, so the times are only checked.
    """
    match = TIME_CODE.fullmatch(row.name(column))
    if match is None:
        raise row.error(
            f"{column} is {row.text(column)!r}, expected hours:minutes:seconds,milliseconds"
        )
    hours, minutes, seconds, fraction = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
