"""Checks the clips, files and labels of a download; nothing is decoded."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semanticmac.core import SCORE, SPLITS, Label, Task, counted
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, is_there
from semanticmac.preprocess.corpora import OFFICIAL, Options, known_bad_note, read_lists
from semanticmac.preprocess.corpora.cards import CARDS, CorpusCard
from semanticmac.preprocess.corpora.notes import preview
from semanticmac.preprocess.corpora.splits import source_of

Kind = Literal[
    "unreadable",
    "counts",
    "missing",
    "unusable",
    "known-bad",
    "empty-text",
    "unlabelled",
    "shared-source",
    "absent-class",
    "unlabelled-file",
]


@dataclass(frozen=True)
class Finding:
    """One fact about a download that the user should know."""

    kind: Kind
    message: str
    problem: bool = False  # True: the download is incomplete
    ids: tuple[str, ...] = ()  # all clips or files in question


@dataclass(frozen=True)
class CheckReport:
    """The result of check_corpus; a script needs only `complete`."""

    name: str
    root: Path
    card: CorpusCard | None  # None: a folder or the demo corpus
    counts: Mapping[str, int]  # clips by split
    without_split: int  # clips that are cached and predicted, never trained on
    labels: str  # classes with their counts, or range and mean of the scores
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]  # from reading the corpus

    @property
    def complete(self) -> bool:
        """Whether all listed clips have files and labels, in the official number if it is known."""
        return not any(finding.problem for finding in self.findings)


def check_corpus(name: str, root: Path, options: Options = OFFICIAL) -> CheckReport:
    """Reads the label files and looks for the media files.

    A corpus that cannot be read is reported as a finding.
    """
    card = CARDS.get(name)
    try:
        corpus = read_lists(name, root, options)
    except CorpusError as error:
        finding = Finding("unreadable", str(error), problem=True)
        return CheckReport(name, root, card, {}, 0, "", (finding,), ())

    sizes = Counter(clip.split for clip in corpus.clips)
    counts = {split: sizes[split] for split in SPLITS}
    findings: list[Finding] = []
    if card is not None:
        findings += _check_counts(counts, card, options.keep_official_lists)
    if corpus.shortfall:
        findings.append(Finding("counts", corpus.shortfall, problem=True))
    for check in CHECKS:
        findings += check(corpus)
    findings += _check_unlabelled_files(corpus, root)
    return CheckReport(
        name,
        root,
        card,
        counts,
        sizes[None],
        describe_labels(corpus),
        tuple(findings),
        tuple(note for note in corpus.notes if note != corpus.shortfall),
    )


def _check_counts(
    counts: Mapping[str, int], card: CorpusCard, official_lists: bool
) -> list[Finding]:
    """Compares the counts with the official and the paper's; only the first can be a problem."""
    findings: list[Finding] = []
    actual = _slashes(counts)
    official, paper = _slashes(card.official_counts()), _slashes(card.paper_counts())
    if card.official and official != actual:
        message = f"{actual} clips (train / valid / test), officially {official}"
        if not official_lists:
            message += " (the list was changed by an option)"
        findings.append(Finding("counts", message, problem=official_lists))
    if card.paper and paper != actual:
        message = f"{actual} clips, in the paper {paper}"
        if card.remark:
            message += f"; {card.remark}"
        findings.append(Finding("counts", message))
    return findings


def _slashes(counts: Mapping[str, int]) -> str:
    return " / ".join(str(counts.get(split, 0)) for split in SPLITS)


def _check_missing(corpus: Corpus) -> list[Finding]:
    missing: list[str] = []
    files: list[str] = []
    for clip in corpus.clips:
        if not clip.problem and not is_there(clip.video):
            missing.append(clip.clip_id)
            files.append(str(clip.video))
    if corpus.known_bad.keys() >= set(missing):
        return []
    shown = preview(dict.fromkeys(files))
    message = f"{len(missing)} of {len(corpus.clips)} clips have no file: {shown}"
    return [Finding("missing", message, problem=True, ids=tuple(missing))]


def _check_known_bad(corpus: Corpus) -> list[Finding]:
    notes = known_bad_note(corpus)
    if not notes:
        return []
    bad = _ids(clip for clip in corpus.clips if clip.clip_id in corpus.known_bad)
    return [Finding("known-bad", notes[0], ids=bad)]


def _check_texts(corpus: Corpus) -> list[Finding]:
    empty = _ids(clip for clip in corpus.clips if not clip.text)
    if not empty:
        return []
    message = f"{len(empty)} of {len(corpus.clips)} clips have no text: {preview(empty)}"
    return [Finding("empty-text", message, ids=empty)]


def _check_unlabelled(corpus: Corpus) -> list[Finding]:
    bare = _ids(clip for clip in corpus.clips if clip.split and "multimodal" not in clip.labels)
    if not bare:
        return []
    message = f"{counted(len(bare), 'clip', 'have')} a split but no label: {preview(bare)}"
    return [Finding("unlabelled", message, problem=True, ids=bare)]


def _check_shared_sources(corpus: Corpus) -> list[Finding]:
    splits_of: dict[str, set[str]] = {}
    for clip in corpus.clips:
        if clip.split:
            source = clip.text if corpus.texts_only and not clip.dialogue else source_of(clip)
            splits_of.setdefault(source, set()).add(clip.split)
    shared = tuple(source for source, splits in splits_of.items() if len(splits) > 1)
    if not shared:
        return []
    message = (
        f"{len(shared)} of {len(splits_of)} source videos are in more than one split: "
        f"{preview(shared)}. A model may recognise the video instead of the affect; "
        "--split-by video keeps the clips of a video together"
    )
    return [Finding("shared-source", message, ids=shared)]


def _check_absent_classes(corpus: Corpus) -> list[Finding]:
    if corpus.task is None or not any(clip.split for clip in corpus.clips):
        return []
    absent = list(corpus.task.classes)
    for name in _class_counts(clip for clip in corpus.clips if clip.split == "train"):
        if name in absent:
            absent.remove(name)
    if not absent:
        return []
    message = f"no training clip is {', '.join(absent)}"
    return [Finding("absent-class", message, problem=True, ids=tuple(absent))]


def _check_unusable(corpus: Corpus) -> list[Finding]:
    unusable = [clip for clip in corpus.clips if clip.problem]
    if not unusable:
        return []
    problems = preview(clip.problem for clip in unusable)
    message = f"{counted(len(unusable), 'clip')} cannot be used: {problems}"
    return [Finding("unusable", message, problem=True, ids=_ids(unusable))]


CHECKS: tuple[Callable[[Corpus], list[Finding]], ...] = (
    _check_missing,
    _check_unusable,
    _check_known_bad,
    _check_texts,
    _check_unlabelled,
    _check_shared_sources,
    _check_absent_classes,
)


def _check_unlabelled_files(corpus: Corpus, root: Path) -> list[Finding]:
    """Files of the clips' types, below the folder that holds all clips, that belong to no clip."""
    if corpus.texts_only:
        return []
    used: set[Path] = set()
    suffixes: set[str] = set()
    folders: set[str] = set()
    for clip in corpus.clips:
        used.add(clip.video)
        if clip.problem:
            continue  # It may be a folder that cannot be read.
        suffixes.add(clip.video.suffix.lower())
        folders.add(str(clip.video.parent))
    if not folders:
        return []
    top = Path(os.path.commonpath(folders))
    unused: list[str] = []
    for path in top.rglob("*"):
        is_media = path.suffix.lower() in suffixes and not path.name.startswith(".")
        if is_media and path not in used:
            unused.append(str(path.relative_to(root)))
    if not unused:
        return []
    unused.sort()
    message = f"{len(unused)} files below {top} belong to no clip: {preview(unused)}"
    return [Finding("unlabelled-file", message, ids=tuple(unused))]


def describe_labels(corpus: Corpus) -> str:
    """The multimodal labels in one line: counts of the classes, or range and mean of the scores."""
    labels: list[Label] = []
    for clip in corpus.clips:
        label = clip.labels.get("multimodal")
        if label is None:
            continue
        labels.append(label)
    if corpus.task is None or not labels:
        return "no labels"
    if corpus.task.kind == "regression":
        return _score_summary(corpus.task, labels)
    counts = _class_counts(corpus.clips)
    return ", ".join(f"{name} {counts[name]}" for name in corpus.task.classes)


def _score_summary(task: Task, labels: Sequence[Label]) -> str:
    """The range and the mean of each score."""
    targets = [task.encode(label) or [] for label in labels]
    parts: list[str] = []
    for dimension, column in zip(task.dimensions, zip(*targets, strict=True), strict=True):
        scores = [score for score in column if not math.isnan(score)]
        name = "" if dimension.name == SCORE else f"{dimension.name} "
        limits = f"{dimension.low:g} … {dimension.high:g}"
        if scores:
            mean = sum(scores) / len(scores)
            limits = f"{min(scores):g} … {max(scores):g} of {limits}, mean {mean:.3f}"
        else:
            limits = f"none of {limits}"
        parts.append(name + limits)
    return "; ".join(parts)


def _class_counts(clips: Iterable[Clip]) -> Counter[str]:
    """How many clips have each class as multimodal label."""
    counts: Counter[str] = Counter()
    for clip in clips:
        label = clip.labels.get("multimodal")
        if isinstance(label, str):
            counts[label] += 1
        elif isinstance(label, tuple):
            counts.update(map(str, label))
    return counts


def _ids(clips: Iterable[Clip]) -> tuple[str, ...]:
    return tuple(clip.clip_id for clip in clips)
