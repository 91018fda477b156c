"""Lists of the user that replace the splits, clips or labels of any corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from semanticmac.core import SCORE, SPLITS, Label, Task, counted
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora.labels import read_labels
from semanticmac.preprocess.corpora.notes import count_note, preview
from semanticmac.preprocess.corpora.score_columns import PREFIX, read_scores, score_columns
from semanticmac.preprocess.corpora.splits import (
    SHARES,
    assign_splits,
    parse_split,
    set_splits,
    source_of,
)
from semanticmac.preprocess.corpora.tables import Row, index_rows, read_table

# With `valid-` in front train and valid alone are divided anew, and test stays as it is.
SplitBy = Literal["video", "speaker", "valid-video", "valid-speaker"]
VALID_ONLY = "valid-"


@dataclass(frozen=True)
class Options:
    """What a user may change of any corpus; the defaults keep its official lists."""

    # CSV with clip_id (or video_id) and split: the only clips that are trained and tested on.
    splits: Path | None = None
    # CSV with clip_id: clips to leave out.
    exclude: Path | None = None
    # CSV with clip_id, label[, label_text, label_audio, label_vision], or clip_id, score_NAME …
    labels: Path | None = None
    # A new split that keeps the clips of one source video, or of one speaker, together.
    split_by: SplitBy | None = None
    fold: int | None = None  # MUStARD only: which official fold, from 0

    def __post_init__(self) -> None:
        if self.splits is not None and self.split_by is not None:
            raise ValueError("splits and split_by exclude each other: give only one of them")
        if self.split_by is not None and self.split_by not in get_args(SplitBy):
            expected = ", ".join(get_args(SplitBy))
            raise ValueError(f"split_by={self.split_by!r}, expected one of {expected}")

    @property
    def keep_official_lists(self) -> bool:
        """Whether clips and splits are the corpus's own."""
        return self.splits is None and self.exclude is None and self.split_by is None


OFFICIAL = Options()


def apply_options(corpus: Corpus, options: Options) -> Corpus:
    """Replaces labels, removes clips and replaces splits, in this order."""
    if options.labels is not None:
        corpus = apply_labels(corpus, options.labels)
    if options.exclude is not None:
        corpus = apply_exclude(corpus, options.exclude)
    if options.splits is not None:
        corpus = apply_splits(corpus, options.splits)
    if options.split_by is not None:
        corpus = split_by_group(corpus, options.split_by)
    return corpus


def complete_from_root(corpus: Corpus, root: Path, options: Options, labels_from: str) -> Corpus:
    """Adds what a download lacks from `labels.csv` and `splits.csv`, which the user puts into root.

    `labels_from` names the usual label file of the corpus in the error message. The formats are
    those of the options. Raises CorpusError when labels or splits are missing and neither a file
    nor an option gives them.
    """
    if options.labels is None and not any(clip.labels for clip in corpus.clips):
        path = root / "labels.csv"
        if not path.is_file():
            raise CorpusError(
                f"{corpus.name}: no labels in {root}; "
                f"expected {labels_from}, or {path} (clip_id, label)"
            )
        corpus = apply_labels(corpus, path)

    if options.splits is None and options.split_by is None:
        path = root / "splits.csv"
        if not path.is_file():
            raise CorpusError(
                f"{corpus.name}: the official download has no split. Write {path} (columns "
                "clip_id or video_id, and split: train, valid, test), give such a list with "
                "--splits, or use the common layout (label.csv), whose column `mode` is the split"
            )
        corpus = apply_splits(corpus, path)
    return corpus


def apply_splits(corpus: Corpus, path: Path) -> Corpus:
    """The corpus with the splits of the list; a clip that is not listed gets none.

    The list gives a split to a clip (column clip_id) or to a source video (column video_id).
    """
    by_video = "video_id" in read_table(path).columns
    rows = _read_list(path, "video_id" if by_video else "clip_id", "split")

    split_of: dict[str, str | None] = {}
    for name, row in rows.items():
        split_of[name] = parse_split(row)

    clips: list[Clip] = []
    names: list[str] = []
    unlisted: list[str] = []
    for clip in corpus.clips:
        name = source_of(clip) if by_video else clip.clip_id
        names.append(name)
        if name not in split_of:
            unlisted.append(clip.clip_id)
        clips.append(replace(clip, split=split_of.get(name)))

    if not any(clip.split for clip in clips):
        raise CorpusError(
            f"{path} gives no clip of {corpus.name} a split; its ids look like "
            f"{preview(split_of)}, the corpus's like {preview(dict.fromkeys(names))}"
        )
    notes = [f"splits are read from {path}"]
    notes += _unknown_note(corpus, path, split_of, names)
    notes += count_note("clip", "are", f"not in {path.name}, without a split", unlisted)
    return _changed(corpus, clips, notes)


def apply_exclude(corpus: Corpus, path: Path) -> Corpus:
    """The corpus without the clips of the list."""
    excluded = _read_list(path, "clip_id")
    clips = [clip for clip in corpus.clips if clip.clip_id not in excluded]
    if not clips:
        raise CorpusError(f"{path} excludes every clip of {corpus.name}")
    notes = [f"{counted(len(corpus.clips) - len(clips), 'clip', 'are')} left out by {path}"]
    notes += _unknown_note(corpus, path, excluded, _ids(corpus))
    return _changed(corpus, clips, notes)


def apply_labels(corpus: Corpus, path: Path) -> Corpus:
    """The corpus with the labels of the list; `|` separates several classes of one clip.

    A clip that is not in the list keeps its labels. Raises CorpusError for a corpus without a task.
    """
    if corpus.task is None:
        raise CorpusError(
            f"{corpus.name} has no task, so {path} cannot label it; "
            "write the labels into its clips.csv"
        )
    labels = _read_label_list(path, corpus.task)

    clips: list[Clip] = []
    relabelled = 0
    for clip in corpus.clips:
        relabelled += clip.clip_id in labels
        clips.append(replace(clip, labels=labels.get(clip.clip_id, clip.labels)))

    notes = [f"labels of {counted(relabelled, 'clip')} are read from {path}"]
    notes += _unknown_note(corpus, path, labels, _ids(corpus))
    return _changed(corpus, clips, notes)


def _read_label_list(path: Path, task: Task) -> dict[str, dict[str, Label]]:
    """Clip id → labels by modality. A task with named scores needs a column for each of them."""
    columns = score_columns(path, read_table(path).columns)
    labels: dict[str, dict[str, Label]] = {}
    has_one_label = task.names[0] in (SCORE, *task.classes)
    if has_one_label and not columns:
        for clip_id, row in _read_list(path, "clip_id", "label").items():
            labels[clip_id] = read_labels(row, task)
        return labels
    if set(columns.values()) != set(task.names):
        expected = "label"
        if not has_one_label:
            expected = ", ".join(PREFIX + name for name in task.names)
        raise CorpusError(
            f"{path}, line 1: the score columns are {', '.join(columns) or 'none'}; "
            f"expected {expected}"
        )
    for clip_id, row in _read_list(path, "clip_id").items():
        scores = read_scores(row, task, columns)
        labels[clip_id] = {} if scores is None else {"multimodal": scores}
    return labels


def split_by_group(corpus: Corpus, split_by: SplitBy) -> Corpus:
    """A new split with the shares of the old one; clips of one video or speaker stay together.

    A corpus without a split has its labelled clips divided by the usual shares. Raises CorpusError
    if there is nothing to split, or if a clip has no speaker.
    """
    keeps_test = split_by.startswith(VALID_ONLY)
    group = split_by.removeprefix(VALID_ONLY)
    clips = []
    for clip in corpus.clips:
        if clip.split and not (keeps_test and clip.split == "test"):
            clips.append(clip)
    shares = dict(SHARES)
    if clips:
        sizes = Counter(clip.split for clip in clips)
        for split in SPLITS:
            shares[split] = sizes[split] / len(clips)
    elif not keeps_test:
        clips = [clip for clip in corpus.clips if clip.labels]
    if not clips:
        lacks = "neither a split nor a label"
        if keeps_test:
            lacks = "no train and valid split"
        raise CorpusError(f"{corpus.name} has {lacks}, so there is nothing to split by {group}")

    assigned = assign_splits(_groups(corpus.name, clips, group), shares)
    changed = set_splits(corpus.clips, clips, assigned)
    what = "it is a new one"
    if keeps_test:
        changed = _with_test(changed, corpus.clips)
        what = "test is the old one, and train and valid are new ones"
    kept = "speaker" if group == "speaker" else "source video"
    note = f"this is not the official split: {what}. The clips of one {kept} stay together"
    return _changed(corpus, changed, [note])


def _groups(corpus: str, clips: Sequence[Clip], group: str) -> list[str]:
    """The speaker or the source video of each clip."""
    if group == "video":
        return [source_of(clip) for clip in clips]
    speakers = []
    unknown = []
    for clip in clips:
        speakers.append(clip.speaker or "")
        if not clip.speaker:
            unknown.append(clip.clip_id)
    if unknown:
        raise CorpusError(
            f"{corpus} cannot be split by speaker: {counted(len(unknown), 'clip', 'have')} no "
            f"speaker ({preview(unknown)})"
        )
    return speakers


def _with_test(changed: Sequence[Clip], before: Sequence[Clip]) -> list[Clip]:
    """The changed clips, with the test clips as they were before."""
    clips = []
    for new, old in zip(changed, before, strict=True):
        clips.append(old if old.split == "test" else new)
    return clips


def _ids(corpus: Corpus) -> list[str]:
    return [clip.clip_id for clip in corpus.clips]


def _changed(corpus: Corpus, clips: list[Clip], notes: list[str]) -> Corpus:
    """The corpus with other clips and with further notes."""
    return replace(corpus, clips=tuple(clips), notes=(*corpus.notes, *notes))


def _read_list(path: Path, id_column: str, *required: str) -> dict[str, Row]:
    """The rows of a list by their id; raises CorpusError when an id appears twice."""
    rows = read_table(path, (id_column, *required)).rows
    return index_rows(rows, [row.name(id_column) for row in rows], id_column)


def _unknown_note(
    corpus: Corpus, path: Path, ids: Iterable[str], known: Iterable[str]
) -> list[str]:
    known = set(known)
    unknown = [name for name in ids if name not in known]
    return count_note("id", "are", f"in {path.name} and not in {corpus.name}", unknown)
