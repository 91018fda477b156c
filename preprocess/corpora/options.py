"""Whose split it is: the options that replace or thin a corpus's own lists, applied here for every corpus alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from semanticmac.core import MODALITIES, SPLITS, Label, Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora.splits import SHARES, assign_splits, parse_split
from semanticmac.preprocess.corpora.tables import Row, read_table

LABEL_COLUMNS = {"label": "multimodal"} | {f"label_{name}": name for name in MODALITIES}
NAMED = 5  # ids that a note prints before it says "and N more"


@dataclass(frozen=True)
class Options:
    """What a person may ask of any corpus; the defaults are its official lists."""

    # CSV clip_id (or video_id), split: this and nothing else is trained and tested on
    splits: Path | None = None
    exclude: Path | None = None  # CSV clip_id: these clips are left out altogether
    labels: Path | None = None  # CSV clip_id, label[, label_text, label_audio, label_vision]
    # a new split that keeps the clips of one source video together
    split_by: Literal["video"] | None = None
    fold: int | None = None  # MUStARD: which of the official folds, from 0

    def __post_init__(self) -> None:
        if self.splits is not None and self.split_by is not None:
            raise ValueError(
                "splits and split_by exclude each other: the list decides, or the rule does"
            )
        if self.split_by not in (None, "video"):
            raise ValueError(f"split_by={self.split_by!r}, expected 'video'")


def apply_options(corpus: Corpus, options: Options) -> Corpus:
    """The corpus with its labels, its exclusions and then its split replaced as the options say."""
    if options.labels is not None:
        corpus = apply_labels(corpus, options.labels)
    if options.exclude is not None:
        corpus = apply_exclude(corpus, options.exclude)
    if options.splits is not None:
        corpus = apply_splits(corpus, options.splits)
    if options.split_by == "video":
        corpus = split_by_video(corpus)
    return corpus


def complete_from_root(corpus: Corpus, root: Path, options: Options, labels_from: str) -> Corpus:
    """For downloads that bring no label list or no split: `labels.csv` and `splits.csv`, which a person puts into root.

    `labels_from` says in the message where this corpus's labels usually are. The formats are those of the options.
    """
    if options.labels is None and not any(clip.labels for clip in corpus.clips):
        path = root / "labels.csv"
        if not path.is_file():
            raise CorpusError(
                f"{corpus.name}: no labels in {root}; expected {labels_from}, or {path} (clip_id, label)"
            )
        corpus = apply_labels(corpus, path)
    if options.splits is None and options.split_by is None:
        path = root / "splits.csv"
        if not path.is_file():
            raise CorpusError(
                f"{corpus.name}: the official download brings no split; write {path} (columns clip_id or video_id, and "
                "split: train, valid, test), name such a list with --splits, or use the common layout (label.csv), "
                "whose column `mode` is the split"
            )
        corpus = apply_splits(corpus, path)
    return corpus


def apply_splits(corpus: Corpus, path: Path) -> Corpus:
    """Every clip gets the split that the list names for it, or for its source video; others get none."""
    by_video = "video_id" in read_table(path).columns
    split_of = {
        name: parse_split(row) for name, row in _rows_by_id(path, ("split",), by_video).items()
    }
    names = [source_of(clip) if by_video else clip.clip_id for clip in corpus.clips]
    pairs = list(zip(corpus.clips, names, strict=True))
    clips = tuple(replace(clip, split=split_of.get(name)) for clip, name in pairs)
    if not any(clip.split for clip in clips):
        raise CorpusError(
            f"{path} gives no clip of {corpus.name} a split; its ids look like {some(split_of)}, "
            f"the corpus's like {some(dict.fromkeys(names))}"
        )
    notes = [f"splits are read from {path}", *_unknown_note(corpus, path, split_of, names)]
    unlisted = [clip.clip_id for clip, name in pairs if name not in split_of]
    if unlisted:
        notes.append(
            f"{len(unlisted)} clips are not in {path.name} and have no split: {some(unlisted)}"
        )
    return replace(corpus, clips=clips, notes=(*corpus.notes, *notes))


def apply_exclude(corpus: Corpus, path: Path) -> Corpus:
    """The corpus without the clips that the list names."""
    excluded = _rows_by_id(path)
    clips = tuple(clip for clip in corpus.clips if clip.clip_id not in excluded)
    if not clips:
        raise CorpusError(f"{path} excludes every clip of {corpus.name}")
    note = f"{len(corpus.clips) - len(clips)} clips are left out by {path}"
    return replace(
        corpus, clips=clips, notes=(*corpus.notes, note, *_unknown_note(corpus, path, excluded))
    )


def apply_labels(corpus: Corpus, path: Path) -> Corpus:
    """The corpus with the labels of the clips that the list names replaced; `|` separates the classes of one clip."""
    if corpus.task is None:
        raise CorpusError(
            f"{corpus.name} has no task, so {path} cannot label it; write the labels into its clips.csv"
        )
    table = _rows_by_id(path, ("label",))
    labels = {clip_id: read_labels(row, corpus.task) for clip_id, row in table.items()}
    clips = tuple(
        replace(clip, labels=labels.get(clip.clip_id, clip.labels)) for clip in corpus.clips
    )
    named = sum(clip.clip_id in labels for clip in corpus.clips)
    note = f"the labels of {named} clips are read from {path}"
    return replace(
        corpus, clips=clips, notes=(*corpus.notes, note, *_unknown_note(corpus, path, labels))
    )


def read_labels(
    row: Row, task: Task, columns: Mapping[str, str] = LABEL_COLUMNS
) -> dict[str, Label]:
    """The labels of one table row that are annotated; `columns` maps a column to text, audio, vision or multimodal."""
    labels: dict[str, Label] = {}
    for column, modality in columns.items():
        value = row.text(column)
        if not value:
            continue
        if value.lower() == "nan":
            raise row.error(f"{column} is NaN; leave the cell empty where nothing is annotated")
        label: Label = value
        if task.kind == "regression":
            label = row.parse_number(value, f"the {column}")
        elif task.kind == "multi-label":
            label = tuple(part.strip() for part in value.split("|") if part.strip())
        try:
            task.encode(label)
        except ValueError as error:
            raise row.error(f"{column}: {error}") from error
        labels[modality] = label
    return labels


def split_by_video(corpus: Corpus) -> Corpus:
    """A new split with the shares of the old one, in which the clips of one source video stay together."""
    clips = [clip for clip in corpus.clips if clip.split] or [
        clip for clip in corpus.clips if clip.labels
    ]
    if not clips:
        raise CorpusError(
            f"{corpus.name} has neither a split nor a label, so there is nothing to split by video"
        )
    sizes = Counter(clip.split for clip in clips)
    shares = SHARES if sizes[None] else {split: sizes[split] / len(clips) for split in SPLITS}
    assigned = assign_splits([source_of(clip) for clip in clips], shares)
    split_of = {clip.clip_id: split for clip, split in zip(clips, assigned, strict=True)}
    note = "this is not the official split: it was made anew so that the clips of one source video stay together"
    rearranged = tuple(replace(clip, split=split_of.get(clip.clip_id)) for clip in corpus.clips)
    return replace(corpus, clips=rearranged, notes=(*corpus.notes, note))


def source_of(clip: Clip) -> str:
    """What two clips share when they were cut from one video: the dialogue or source video, else the file."""
    return clip.dialogue if clip.dialogue is not None else str(clip.video)


def some(ids: Iterable[str]) -> str:
    """The first few ids, and how many more there are."""
    names = list(ids)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _rows_by_id(
    path: Path, required: tuple[str, ...] = (), by_video: bool = False
) -> dict[str, Row]:
    column = "video_id" if by_video else "clip_id"
    rows: dict[str, Row] = {}
    for row in read_table(path, (column, *required)).rows:
        name = row.name(column)
        if name in rows:
            raise row.error(
                f"the {column} {name!r} stands twice; it is also in line {rows[name].line}"
            )
        rows[name] = row
    return rows


def _unknown_note(
    corpus: Corpus, path: Path, ids: Iterable[str], known: Iterable[str] = ()
) -> list[str]:
    known = set(known) or {clip.clip_id for clip in corpus.clips}
    unknown = [name for name in ids if name not in known]
    return (
        [f"{len(unknown)} ids of {path.name} are not in {corpus.name}: {some(unknown)}"]
        if unknown
        else []
    )
