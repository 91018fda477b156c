"""The common layout of MOSI, MOSEI, SIMS and SIMS v2: MMSA's label.csv beside the folder Raw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.labels import read_labels
from semanticmac.preprocess.corpora.notes import count_note
from semanticmac.preprocess.corpora.splits import parse_split
from semanticmac.preprocess.corpora.tables import Row, index_rows, read_table

REQUIRED = ("video_id", "clip_id", "text", "label", "mode")
LABELS = {"label": "multimodal", "label_T": "text", "label_A": "audio", "label_V": "vision"}
# SIMS names a file 0001.mp4, but a spreadsheet turns this id into 1.
PADDED_DIGITS = 4


def label_file(root: Path, names: tuple[str, ...] = ("label.csv",)) -> Path | None:
    """The label file of the common layout; None if root has another layout."""
    for name in names:
        if (root / name).is_file():
            return root / name
    return None


def read_common(name: str, root: Path, task: Task, labels: Path) -> Corpus:
    """The corpus of the label file `labels` in root; a clip id is `<video_id>_<clip_id>`."""
    rows = read_table(labels, REQUIRED).rows
    clips: list[Clip] = []
    ids: list[str] = []
    for row in rows:
        clips.append(_read_clip(root, row, task))
        ids.append(clips[-1].clip_id)
    index_rows(rows, ids, "clip id")
    if not clips:
        raise CorpusError(f"{labels} names no clips")
    return Corpus(name, task, tuple(with_positions(clips)), tuple(unlabelled_note(clips)))


def _read_clip(root: Path, row: Row, task: Task) -> Clip:
    video_id, clip_id = row.name("video_id"), row.name("clip_id")
    try:
        video = inside(root, f"Raw/{video_id}/{clip_id}.mp4")
        padded = inside(root, f"Raw/{video_id}/{clip_id.zfill(PADDED_DIGITS)}.mp4")
    except CorpusError as error:
        raise row.error(str(error)) from error
    if padded.is_file() and not video.is_file():
        video = padded
    labels = read_labels(row, task, LABELS)
    return Clip(
        f"{video_id}_{clip_id}",
        video,
        text=row.text("text"),
        labels=labels,
        # A clip without a multimodal label cannot be trained on, even if its row has a split.
        split=parse_split(row, "mode") if "multimodal" in labels else None,
        dialogue=video_id,
    )


def with_positions(clips: list[Clip]) -> list[Clip]:
    """The clips with their position in the source video, by the number at the end of their ids."""
    by_video: dict[str | None, list[Clip]] = {}
    for clip in clips:
        by_video.setdefault(clip.dialogue, []).append(clip)

    position_of: dict[str, int] = {}
    for members in by_video.values():
        members.sort(key=_clip_number)
        for position, clip in enumerate(members):
            position_of[clip.clip_id] = position
    return [replace(clip, position=position_of[clip.clip_id]) for clip in clips]


def _clip_number(clip: Clip) -> tuple[int, str]:
    ending = clip.clip_id.rsplit("_", 1)[-1]
    if ending.isascii() and ending.isdigit():
        return int(ending), ""
    return 0, ending


def unlabelled_note(clips: list[Clip]) -> list[str]:
    """A note on the clips without a multimodal label; none if there are no such clips."""
    unlabelled = [clip.clip_id for clip in clips if "multimodal" not in clip.labels]
    return count_note("clip", "have", "no label and so no split", unlabelled)
