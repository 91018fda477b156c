"""Your own videos: a directory of media files, with or without a clips.csv that says what is in them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import MAX_POSITION, Clip, Corpus, CorpusError, inside, is_there
from semanticmac.preprocess.corpora.options import LABEL_COLUMNS, Options, read_labels, source_of
from semanticmac.preprocess.corpora.splits import assign_splits, parse_split
from semanticmac.preprocess.corpora.tables import Row, Table, is_number, read_table, read_text

VIDEO_SUFFIXES = {
    ".mp4",
    ".m4v",
    ".mov",
    ".avi",
    ".mkv",
    ".webm",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".flv",
    ".ogv",
    ".3gp",
    ".mts",
}
AUDIO_SUFFIXES = {".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma"}
MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES

PLAIN_COLUMNS = (
    "clip_id",
    "file",
    "start_s",
    "end_s",
    "split",
    "dialogue_id",
    "position",
    "speaker",
)
TEXT_NAMES = ("text", "transcript")  # the first that is there is read
LABEL_NAMES = ("label", "emotion", "sentiment")
USUAL_RANGE = 3.0  # −3 … 3, the scale of MOSI and MOSEI: the only range that is ever assumed


def read(root: Path, options: Options = Options()) -> Corpus:  # noqa: B008
    """The clips that `root/clips.csv` names, or every media file below root where there is no such file."""
    if (root / "clips.csv").is_file():
        return _read_table(root, read_table(root / "clips.csv", ("file",)))
    return _read_files(root)


def _read_files(root: Path) -> Corpus:
    """Every media file below root; a `.txt` of the same stem beside it is its transcript."""
    files = sorted(path for path in root.rglob("*") if _is_media(path, root))
    if not files:
        raise CorpusError(
            f"{root} holds no clips.csv and no media file; expected videos ({' '.join(sorted(VIDEO_SUFFIXES))}) "
            f"or sounds ({' '.join(sorted(AUDIO_SUFFIXES))})"
        )
    names = [path.relative_to(root).as_posix() for path in files]
    clips = []
    for path, clip_id in zip(files, _file_ids(names), strict=True):
        inside(root, path.relative_to(root).as_posix())
        clips.append(Clip(clip_id, path, text=transcript_of(path)))
    return Corpus(
        "folder",
        None,
        tuple(clips),
        ("no clips.csv: nothing is labelled, so nothing can be trained on",),
    )


def transcript_of(path: Path) -> str:
    """What the `.txt` of the same stem beside a media file says, in one line; empty where there is none."""
    transcript = path.with_suffix(".txt")
    there = transcript != path and is_there(transcript)
    return " ".join(read_text(transcript).split()) if there else ""


def _is_media(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.suffix.lower() in MEDIA_SUFFIXES and is_there(path)


def _file_ids(names: Sequence[str]) -> list[str]:
    """File names without their suffix, which stays where two files differ in nothing else."""
    stems = [name[: -len(Path(name).suffix)] if Path(name).suffix else name for name in names]
    files_of_stem: dict[str, set[str]] = {}
    for name, stem in zip(names, stems, strict=True):
        files_of_stem.setdefault(stem, set()).add(name)
    return [
        stem if len(files_of_stem[stem]) == 1 else name
        for name, stem in zip(names, stems, strict=True)
    ]


@dataclass(frozen=True)
class _Columns:
    """Which columns of a clips.csv are read as what."""

    text: str | None
    labels: dict[str, str]  # column → multimodal, text, audio, vision
    ignored: tuple[str, ...]


def _columns(table: Table) -> _Columns:
    text = next((name for name in TEXT_NAMES if name in table.columns), None)
    label = next((name for name in LABEL_NAMES if name in table.columns), None)
    labels = {
        name: modality
        for name, modality in LABEL_COLUMNS.items()
        if name != "label" and name in table.columns
    }
    if label is not None:
        labels = {label: "multimodal"} | labels
    read_columns = {*PLAIN_COLUMNS, text, *labels}
    return _Columns(text, labels, tuple(name for name in table.columns if name not in read_columns))


def _read_table(root: Path, table: Table) -> Corpus:
    if not table.rows:
        raise CorpusError(f"{table.path} names no clips")
    columns = _columns(table)
    notes = (
        [f"columns of {table.path.name} that are not read: {', '.join(columns.ignored)}"]
        if columns.ignored
        else []
    )
    task, task_notes = _find_task(table, columns)
    ids = _clip_ids(table)
    clips = [
        _read_clip(root, row, clip_id, columns, task)
        for row, clip_id in zip(table.rows, ids, strict=True)
    ]
    clips, split_notes = _with_splits(clips, task)
    return Corpus("folder", task, tuple(clips), (*notes, *task_notes, *split_notes))


def _clip_ids(table: Table) -> list[str]:
    """The clip_id column, else the file's name, numbered from 1 where several clips are cut from one file."""
    if "clip_id" in table.columns:
        ids = [row.name("clip_id") for row in table.rows]
    else:
        names = [row.name("file") for row in table.rows]
        total, so_far = Counter(names), Counter[str]()
        ids = []
        for name, clip_id in zip(names, _file_ids(names), strict=True):
            so_far[name] += 1
            ids.append(clip_id if total[name] == 1 else f"{clip_id}#{so_far[name]}")
    line_of: dict[str, int] = {}
    for row, clip_id in zip(table.rows, ids, strict=True):
        if clip_id in line_of:
            raise row.error(
                f"the clip id {clip_id!r} stands twice; it is also in line {line_of[clip_id]}"
            )
        line_of[clip_id] = row.line
    return ids


def _read_clip(root: Path, row: Row, clip_id: str, columns: _Columns, task: Task | None) -> Clip:
    try:
        video = inside(root, row.name("file"))
    except CorpusError as error:
        raise row.error(str(error)) from error
    start_s, end_s, position = (
        row.number("start_s") or 0.0,
        row.number("end_s"),
        row.number("position"),
    )
    if start_s < 0 or (end_s is not None and end_s <= start_s):
        raise row.error(f"the clip runs from {start_s} s to {end_s} s")
    if position is not None and (not 0 <= position <= MAX_POSITION or position != int(position)):
        raise row.error(f"position is {position:g}, expected 0, 1, 2 … {MAX_POSITION}")
    return Clip(
        clip_id,
        video,
        start_s,
        end_s,
        text=row.text(columns.text) if columns.text else "",
        labels=read_labels(row, task, columns.labels) if task else {},
        split=parse_split(row),
        dialogue=row.text("dialogue_id") or None,
        position=None if position is None else int(position),
        speaker=row.text("speaker") or None,
    )


def _find_task(table: Table, columns: _Columns) -> tuple[Task | None, list[str]]:
    """The task that the label columns ask for.

    All labels count together: text, audio and vision share the scale.
    """
    cells = [
        (row, name, row.text(name))
        for row in table.rows
        for name in columns.labels
        if row.text(name)
    ]
    names = sorted({value for _, _, value in cells})
    if not names:
        return None, [f"{table.path.name} labels nothing, so nothing can be trained on"]
    if names == ["0", "1"] or names == ["false", "true"]:
        return Task("binary", (names[0], names[1])), []
    if not all(is_number(name) for name in names):
        if len(names) < 2:
            raise CorpusError(
                f"{table.path}: every label is {names[0]!r}; a task needs at least two classes"
            )
        return Task("single-label", tuple(names)), []
    scores = [row.parse_number(value, f"the {name}") for row, name, value in cells]
    if all(abs(score) <= USUAL_RANGE for score in scores):
        return Task("regression", low=-USUAL_RANGE, high=USUAL_RANGE), []
    low, high = float(math.floor(min(scores))), float(math.ceil(max(scores)))
    if low == high:
        raise CorpusError(f"{table.path}: every label is {low:g}; there is nothing to learn")
    note = f"labels do not fit −3 … 3; their range is taken to be {low:g} … {high:g}, the smallest and largest label"
    return Task("regression", low=low, high=high), [note]


def _with_splits(clips: list[Clip], task: Task | None) -> tuple[list[Clip], list[str]]:
    """The clips as they are where any has a split; else the labelled ones are split by speaker, dialogue or file."""
    labelled = [clip for clip in clips if clip.labels]
    if task is None or any(clip.split for clip in clips):
        return clips, []
    by, groups = "file", [source_of(clip) for clip in labelled]
    speakers = {clip.speaker for clip in labelled}
    if len(speakers) >= 3 and None not in speakers:
        by, groups = "speaker", [str(clip.speaker) for clip in labelled]
    elif any(clip.dialogue for clip in labelled):
        by = "dialogue"
    splits = assign_splits(groups)
    split_of = {clip.clip_id: split for clip, split in zip(labelled, splits, strict=True)}
    counts = " / ".join(f"{splits.count(split)} {split}" for split in ("train", "valid", "test"))
    note = f"no split column: split here by {by}, the same on every machine: {counts}"
    return [replace(clip, split=split_of.get(clip.clip_id)) for clip in clips], [note]
