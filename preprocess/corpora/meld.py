"""MELD: utterances of a television series, cut into files, with an emotion each; ids repeat across its three splits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.options import Options, read_labels, some
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

# Clips of the official download that are broken; with their label rows the counts are 9989 / 1109 /
# 2610 all the same.
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
    """All rows of the three label files; the clip id is `<split>_dia<X>_utt<Y>`."""
    clips: list[Clip] = []
    backwards: list[str] = []
    for part in PARTS:
        path = next(
            (base / part.table for base in _bases(root) if (base / part.table).is_file()), None
        )
        if path is None:
            raise CorpusError(
                f"meld: {root} holds no {part.table}; expected it beside {part.folder}/dia0_utt0.mp4"
            )
        of_part, odd = _read_part(root, part, path)
        clips += of_part
        backwards += odd
    notes = []
    if backwards:
        notes.append(
            f"time codes that run backwards (they are not used): {len(backwards)}, {some(backwards)}"
        )
    return Corpus("meld", TASK, tuple(clips), tuple(notes), known_bad=KNOWN_BAD)


def _bases(root: Path) -> tuple[Path, ...]:
    return (root, root / "MELD.Raw", root / "data" / "MELD")


def _read_part(root: Path, part: _Part, path: Path) -> tuple[list[Clip], list[str]]:
    """The clips of one label file in its order, and the ids whose time codes run backwards."""
    folder = next(
        (base / part.folder for base in _bases(root) if (base / part.folder).is_dir()),
        root / part.folder,
    )
    clips: dict[str, Clip] = {}
    backwards: list[str] = []
    for row in read_table(path, REQUIRED).rows:
        dialogue, utterance = _whole_number(row, "Dialogue_ID"), _whole_number(row, "Utterance_ID")
        clip_id = f"{part.split}_dia{dialogue}_utt{utterance}"
        if clip_id in clips:
            raise row.error(f"dialogue {dialogue}, utterance {utterance} stands twice")
        if time_code_s(row, "EndTime") <= time_code_s(row, "StartTime"):
            backwards.append(clip_id)
        labels = read_labels(row, TASK, {"Emotion": "multimodal"})
        if not labels:
            raise row.error("the column 'Emotion' is empty")
        video = (folder / f"dia{dialogue}_utt{utterance}.mp4").relative_to(root)
        clips[clip_id] = Clip(
            clip_id,
            inside(root, video.as_posix()),
            text=row.text("Utterance"),
            labels=labels,
            split=part.split,
            dialogue=f"{part.split}_dia{dialogue}",
            position=utterance,
            speaker=row.text("Speaker") or None,
        )
    return list(clips.values()), backwards


def _whole_number(row: Row, column: str) -> int:
    value = row.name(column)
    if not (value.isascii() and value.isdigit()):
        raise row.error(f"{column} is {value!r}, expected a whole number")
    return int(value)


def time_code_s(row: Row, column: str) -> float:
    """`00:16:16,059` as seconds into the episode.

    The clips are cut, so this places nothing; it is only checked.
    """
    found = TIME_CODE.fullmatch(row.name(column))
    if found is None:
        raise row.error(
            f"{column} is {row.text(column)!r}, expected hours:minutes:seconds,milliseconds"
        )
    hours, minutes, seconds, milliseconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{milliseconds}")
