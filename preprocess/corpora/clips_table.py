"""The table clips.csv of a folder of own videos: its columns, its task and its default split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from semanticmac.core import SPLITS, Label, Task
from semanticmac.preprocess.clip import MAX_POSITION, Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.label_task import Cell, find_task
from semanticmac.preprocess.corpora.labels import LABEL_COLUMNS, read_labels
from semanticmac.preprocess.corpora.notes import count_note, preview
from semanticmac.preprocess.corpora.score_columns import (
    find_scores_task,
    read_scores,
    score_columns,
)
from semanticmac.preprocess.corpora.splits import assign_splits, parse_split, set_splits, source_of
from semanticmac.preprocess.corpora.tables import Row, Table, index_rows

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
# Of each, the first name that the table has is read.
TEXT_NAMES = ("text", "transcript")
LABEL_NAMES = ("label", "emotion", "sentiment")


@dataclass(frozen=True)
class _Columns:
    """The meaning of the columns of one clips.csv."""

    text: str | None
    labels: dict[str, str]  # column → multimodal, text, audio or vision
    scores: dict[str, str]  # column → name of its score; empty: the label is one number or class
    ignored: tuple[str, ...]


def read_clips_table(root: Path, table: Table, default_split: bool = True) -> Corpus:
    """The clips of a table; its files lie below root.

    The labels decide the task. default_split: labelled clips without a split get one. Raises
    CorpusError with file and line for a cell that cannot be read.
    """
    if not table.rows:
        raise CorpusError(f"{table.path} names no clips")
    columns = _find_columns(table)
    notes = list(table.notes)
    if columns.ignored:
        ignored = preview(columns.ignored)
        notes.append(f"columns of {table.path.name} that are not read: {ignored}")

    task, task_notes = _find_task(table, columns)
    notes += task_notes
    texts_only = "file" not in table.columns
    clips: list[Clip] = []
    for clip_id, row in _rows_by_clip_id(table).items():
        if texts_only:
            clips.append(_read_text_clip(row, clip_id, columns, task))
        else:
            clips.append(_read_clip(root, row, clip_id, columns, task))
    if texts_only:
        notes.append(f"{table.path.name} has no column `file`: its clips are texts alone")
    else:
        notes += _repeated_clips(table, clips)
    if default_split:
        clips, split_notes = _add_default_split(clips, texts_only)
        notes += split_notes
    return Corpus("folder", task, tuple(clips), tuple(notes), texts_only=texts_only)


def _repeated_clips(table: Table, clips: Sequence[Clip]) -> list[str]:
    """A note on clips that stand in the table twice; raises CorpusError if their labels differ."""
    same: dict[tuple[Path, float, float | None], list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        same[(clip.video, clip.start_s, clip.end_s)].append(index)

    repeated = []
    for indices in same.values():
        first = indices[0]
        for index in indices[1:]:
            repeated.append(clips[index].clip_id)
            if clips[index].labels != clips[first].labels:
                raise table.rows[index].error(
                    f"{clips[index].video.name} has other labels than in line "
                    f"{table.rows[first].line}, where the same clip stands; keep one of the two"
                )
    return count_note("clip", "are", "the same part of the same file as another clip", repeated)


def _find_columns(table: Table) -> _Columns:
    text = _first(TEXT_NAMES, table.columns)
    label = _first(LABEL_NAMES, table.columns)
    labels = {} if label is None else {label: "multimodal"}
    for name, modality in LABEL_COLUMNS.items():
        if name != "label" and name in table.columns:
            labels[name] = modality
    scores = score_columns(table.path, table.columns)
    if scores and labels:
        raise CorpusError(
            f"{table.path}, line 1: the table has the columns {', '.join(scores)} and also "
            f"{', '.join(labels)}; keep either several scores or one label"
        )
    known = {*PLAIN_COLUMNS, text, *labels, *scores}
    if "file" not in table.columns:
        if text is None:
            raise CorpusError(
                f"{table.path}, line 1: no column file, and no column text either; the header has "
                f"{', '.join(table.columns)}"
            )
        known -= {"start_s", "end_s"}
    return _Columns(
        text, labels, scores, tuple(name for name in table.columns if name not in known)
    )


def _first(names: Sequence[str], columns: Sequence[str]) -> str | None:
    for name in names:
        if name in columns:
            return name
    return None


def _rows_by_clip_id(table: Table) -> dict[str, Row]:
    """The rows by the column clip_id, by file name, or by their number."""
    if "clip_id" not in table.columns and "file" not in table.columns:
        return {f"text-{number:06d}": row for number, row in enumerate(table.rows, 1)}
    column = "clip_id" if "clip_id" in table.columns else "file"
    ids = [row.name(column) for row in table.rows]
    if column == "file":
        ids = _numbered_ids(ids)
    return index_rows(table.rows, ids, "clip id")


def _numbered_ids(names: Sequence[str]) -> list[str]:
    """A clip id from each file name, numbered `#1`, `#2` … if the file has several clips."""
    total = Counter(names)
    so_far: Counter[str] = Counter()
    ids: list[str] = []
    for name, file_id in zip(names, file_ids(names), strict=True):
        so_far[name] += 1
        ids.append(file_id if total[name] == 1 else f"{file_id}#{so_far[name]}")
    return ids


def file_ids(names: Sequence[str]) -> list[str]:
    """File names without their suffix; two files that differ in the suffix alone keep it."""
    stems: list[str] = []
    files_of_stem: dict[str, set[str]] = {}
    for name in names:
        stem = name.removesuffix(Path(name).suffix)
        stems.append(stem)
        files_of_stem.setdefault(stem, set()).add(name)

    ids: list[str] = []
    for name, stem in zip(names, stems, strict=True):
        ids.append(stem if len(files_of_stem[stem]) == 1 else name)
    return ids


def _read_clip(root: Path, row: Row, clip_id: str, columns: _Columns, task: Task | None) -> Clip:
    try:
        video = inside(root, row.name("file"))
    except CorpusError as error:
        raise row.error(str(error)) from error
    start_s, end_s = row.number("start_s") or 0.0, row.number("end_s")
    if start_s < 0 or (end_s is not None and end_s <= start_s):
        raise row.error(f"the clip runs from {start_s} s to {end_s} s")
    clip = _read_text_clip(row, clip_id, columns, task)
    return replace(clip, video=video, start_s=start_s, end_s=end_s)


def _read_text_clip(row: Row, clip_id: str, columns: _Columns, task: Task | None) -> Clip:
    """Everything about a clip but its file and times: its file is the table."""
    return Clip(
        clip_id,
        row.path,
        text=row.text(columns.text) if columns.text else "",
        labels=_read_labels(row, columns, task),
        split=parse_split(row),
        dialogue=row.text("dialogue_id") or None,
        position=_read_position(row),
        speaker=row.text("speaker") or None,
    )


def _read_labels(row: Row, columns: _Columns, task: Task | None) -> dict[str, Label]:
    if task is None:
        return {}
    if not columns.scores:
        return read_labels(row, task, columns.labels)
    scores = read_scores(row, task, columns.scores)
    return {} if scores is None else {"multimodal": scores}


def _read_position(row: Row) -> int | None:
    position = row.number("position")
    if position is None:
        return None
    if position != int(position) or not 0 <= position <= MAX_POSITION:
        raise row.error(f"position is {position:g}, expected 0, 1, 2 … {MAX_POSITION}")
    return int(position)


def _find_task(table: Table, columns: _Columns) -> tuple[Task | None, list[str]]:
    """The task of all label columns together, since text, audio and vision share the scale."""
    if columns.scores:
        task, notes = find_scores_task(table.path, table.rows, columns.scores)
        return task, [*notes, *_no_label_note(table, task)]
    cells: list[Cell] = []
    for row in table.rows:
        for column in columns.labels:
            if value := row.text(column):
                cells.append(Cell(row, column, value))
    task, notes = find_task(cells)
    return task, [*notes, *_no_label_note(table, task)]


def _no_label_note(table: Table, task: Task | None) -> list[str]:
    if task is not None:
        return []
    return [f"{table.path.name} labels no clip, so the corpus cannot be trained on"]


def _add_default_split(clips: list[Clip], texts_only: bool) -> tuple[list[Clip], list[str]]:
    """Splits the labelled clips by speaker, dialogue or file, unless any clip has a split.

    Texts alone have no file: without speaker and dialogue they are split by their content.
    """
    labelled = [clip for clip in clips if clip.labels]
    if not labelled or any(clip.split for clip in clips):
        return clips, []

    sources: list[str] = []
    speakers: list[str | None] = []
    by = "text" if texts_only else "file"
    for clip in labelled:
        if texts_only and clip.dialogue is None:
            sources.append(clip.text)
        else:
            sources.append(source_of(clip))
        speakers.append(clip.speaker)
        if clip.dialogue:
            by = "dialogue"
    groups = sources
    if len(set(speakers)) >= 3 and None not in speakers:
        by, groups = "speaker", list(map(str, speakers))

    splits = assign_splits(groups)
    counts = " / ".join(f"{splits.count(split)} {split}" for split in SPLITS)
    note = f"no split column: split here by {by}, the same on every machine: {counts}"
    return set_splits(clips, labelled, splits), [note]
