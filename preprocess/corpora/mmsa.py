"""The common layout (MMSA's), in which MOSI, MOSEI, SIMS and SIMS v2 are passed around: label.csv beside Raw/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.options import read_labels, some
from semanticmac.preprocess.corpora.splits import parse_split
from semanticmac.preprocess.corpora.tables import Row, read_table

REQUIRED = ("video_id", "clip_id", "text", "label", "mode")
LABELS = {"label": "multimodal", "label_T": "text", "label_A": "audio", "label_V": "vision"}
PADDED_DIGITS = 4  # SIMS names its files 0001.mp4 while spreadsheets turn the id into 1


def label_file(root: Path, names: tuple[str, ...] = ("label.csv",)) -> Path | None:
    """The label file of a corpus in the common layout; None where root has another layout."""
    return next((root / name for name in names if (root / name).is_file()), None)


def read_common(name: str, root: Path, task: Task, labels: Path) -> Corpus:
    """The corpus that `labels` (a file in root) describes; the clip id is `<video_id>_<clip_id>`."""
    table = read_table(labels, REQUIRED)
    clips: dict[str, Clip] = {}
    line_of: dict[str, int] = {}
    for row in table.rows:
        clip = _read_clip(root, row, task)
        if clip.clip_id in clips:
            raise row.error(
                f"the clip id {clip.clip_id!r} stands twice; it is also in line {line_of[clip.clip_id]}"
            )
        clips[clip.clip_id], line_of[clip.clip_id] = clip, row.line
    if not clips:
        raise CorpusError(f"{labels} names no clips")
    return Corpus(
        name, task, tuple(in_order(list(clips.values()))), tuple(clip_notes(list(clips.values())))
    )


def _read_clip(root: Path, row: Row, task: Task) -> Clip:
    video_id, clip_id = row.name("video_id"), row.name("clip_id")
    try:
        video = inside(root, f"Raw/{video_id}/{clip_id}.mp4")
        padded = inside(root, f"Raw/{video_id}/{clip_id.zfill(PADDED_DIGITS)}.mp4")
    except CorpusError as error:
        raise row.error(str(error)) from error
    labels = read_labels(row, task, LABELS)
    return Clip(
        f"{video_id}_{clip_id}",
        padded if not video.is_file() and padded.is_file() else video,
        text=row.text("text"),
        labels=labels,
        # A clip without a multimodal label cannot be trained on, whatever its row says.
        split=parse_split(row, "mode") if "multimodal" in labels else None,
        dialogue=video_id,
    )


def in_order(clips: list[Clip]) -> list[Clip]:
    """The clips with their place in the source video; the id ends in `_<number>`, which is the order of speaking."""
    by_video: dict[str | None, list[Clip]] = {}
    for clip in clips:
        by_video.setdefault(clip.dialogue, []).append(clip)
    position: dict[str, int] = {}
    for members in by_video.values():
        members.sort(key=lambda clip: _number(clip.clip_id))
        position |= {clip.clip_id: place for place, clip in enumerate(members)}
    return [replace(clip, position=position[clip.clip_id]) for clip in clips]


def _number(clip_id: str) -> tuple[int, str]:
    tail = clip_id.rsplit("_", 1)[-1]
    return (int(tail), "") if tail.isascii() and tail.isdigit() else (0, tail)


def clip_notes(clips: list[Clip]) -> list[str]:
    """What a person should know of any of these corpora: clips without a label."""
    notes = []
    unlabelled = [clip.clip_id for clip in clips if "multimodal" not in clip.labels]
    if unlabelled:
        notes.append(f"{len(unlabelled)} clips have no label and so no split: {some(unlabelled)}")
    return notes
