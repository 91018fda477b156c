"""Is this download whole? Counts, files and labels of a corpus against what is known of it; nothing is decoded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semanticmac.core import SPLITS
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, is_there
from semanticmac.preprocess.corpora import Options, read_lists
from semanticmac.preprocess.corpora.cards import CARDS, CorpusCard
from semanticmac.preprocess.corpora.options import some, source_of

Kind = Literal[
    "unreadable",
    "counts",
    "missing",
    "known-bad",
    "empty-text",
    "unlabelled",
    "shared-source",
    "absent-class",
    "unlabelled-file",
]


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know of a corpus."""

    kind: Kind
    message: str
    problem: bool = False  # True: the download is not whole
    ids: tuple[str, ...] = ()  # all the clips or files that it is about


@dataclass(frozen=True)
class CheckReport:
    """What check_corpus found; `complete` is the one answer that a script needs."""

    name: str
    root: Path
    card: CorpusCard | None  # None: a folder or the demo, of which nothing is known beforehand
    counts: Mapping[str, int]  # labelled clips by split
    without_split: int  # clips that are cached and predicted, never trained on
    labels: str  # the classes with their counts, or the range and mean of the scores
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]  # of the adapter

    @property
    def complete(self) -> bool:
        """Whether everything that the label files promise is there, in the official number where one is known."""
        return not any(finding.problem for finding in self.findings)


def check_corpus(name: str, root: Path, options: Options = Options()) -> CheckReport:  # noqa: B008
    """Reads the label files and looks at which media files are there.

    A corpus that cannot be read is a finding too.
    """
    card = CARDS.get(name)
    try:
        corpus = read_lists(name, root, options)
    except CorpusError as error:
        finding = Finding("unreadable", str(error), problem=True)
        return CheckReport(name, root, card, {}, 0, "", (finding,), ())
    counts = Counter(clip.split for clip in corpus.clips if clip.split)
    official_lists = options.splits is None and options.exclude is None and options.split_by is None
    findings = [
        *_count_findings(counts, card, official_lists),
        *(finding for check in CHECKS for finding in check(corpus)),
        *_unlabelled_files(corpus, root),
    ]
    without_split = sum(clip.split is None for clip in corpus.clips)
    in_order = {split: counts[split] for split in SPLITS}
    return CheckReport(
        name,
        root,
        card,
        in_order,
        without_split,
        describe_labels(corpus),
        tuple(findings),
        corpus.notes,
    )


def _count_findings(
    counts: Counter[str], card: CorpusCard | None, official_lists: bool
) -> Iterable[Finding]:
    """The counts beside the official ones and the paper's; only the official ones say that something is amiss."""
    if card is None:
        return
    found = _slashes(counts)
    if card.official and _slashes(card.official_counts()) != found:
        reason = "" if official_lists else " (the list was changed by an option)"
        message = f"{found} clips (train / valid / test), officially {_slashes(card.official_counts())}{reason}"
        yield Finding("counts", message, problem=official_lists)
    if card.paper and _slashes(card.paper_counts()) != found:
        remark = f"; {card.remark}" if card.remark else ""
        yield Finding(
            "counts", f"{found} clips, in the paper {_slashes(card.paper_counts())}{remark}"
        )


def _slashes(counts: Mapping[str, int]) -> str:
    return " / ".join(str(counts.get(split, 0)) for split in SPLITS)


def _missing(corpus: Corpus) -> Iterable[Finding]:
    missing = [clip for clip in corpus.clips if not is_there(clip.video)]
    if any(clip.clip_id not in corpus.known_bad for clip in missing):
        message = f"{len(missing)} of {len(corpus.clips)} clips have no file: {_files(missing)}"
        yield Finding("missing", message, problem=True, ids=_ids(missing))


def _files(clips: list[Clip]) -> str:
    return some(dict.fromkeys(str(clip.video) for clip in clips))


def _known_bad(corpus: Corpus) -> Iterable[Finding]:
    bad = [clip for clip in corpus.clips if clip.clip_id in corpus.known_bad]
    if bad:
        reasons = ", ".join(f"{clip.clip_id} ({corpus.known_bad[clip.clip_id]})" for clip in bad)
        yield Finding("known-bad", f"known to be broken in the download: {reasons}", ids=_ids(bad))


def _empty_texts(corpus: Corpus) -> Iterable[Finding]:
    empty = [clip for clip in corpus.clips if not clip.text]
    if empty:
        message = f"{len(empty)} of {len(corpus.clips)} clips have no text: {some(_ids(empty))}"
        yield Finding("empty-text", message, ids=_ids(empty))


def _unlabelled(corpus: Corpus) -> Iterable[Finding]:
    bare = [clip for clip in corpus.clips if clip.split and "multimodal" not in clip.labels]
    if bare:
        message = f"{len(bare)} clips have a split but no label: {some(_ids(bare))}"
        yield Finding("unlabelled", message, problem=True, ids=_ids(bare))


def _shared_sources(corpus: Corpus) -> Iterable[Finding]:
    splits_of: dict[str, set[str]] = {}
    for clip in corpus.clips:
        if clip.split:
            splits_of.setdefault(source_of(clip), set()).add(clip.split)
    shared = tuple(source for source, splits in splits_of.items() if len(splits) > 1)
    if shared:
        message = (
            f"{len(shared)} of {len(splits_of)} source videos stand in more than one split: {some(shared)}. "
            "A model may recognise the video instead of the affect; --split-by video keeps them apart"
        )
        yield Finding("shared-source", message, ids=shared)


def _absent_classes(corpus: Corpus) -> Iterable[Finding]:
    present = {name for clip in corpus.clips if clip.split == "train" for name in _classes(clip)}
    absent = [name for name in corpus.task.classes if name not in present] if corpus.task else []
    if absent and any(clip.split for clip in corpus.clips):
        yield Finding(
            "absent-class",
            f"no training clip is {', '.join(absent)}",
            problem=True,
            ids=tuple(absent),
        )


CHECKS: tuple[Callable[[Corpus], Iterable[Finding]], ...] = (
    _missing,
    _known_bad,
    _empty_texts,
    _unlabelled,
    _shared_sources,
    _absent_classes,
)


def _unlabelled_files(corpus: Corpus, root: Path) -> Iterable[Finding]:
    """Files of the same kind, in the folder that holds all the clips, which no clip is cut from."""
    used = {str(clip.video) for clip in corpus.clips}
    suffixes = {clip.video.suffix.lower() for clip in corpus.clips}
    top = Path(os.path.commonpath({str(clip.video.parent) for clip in corpus.clips}))
    paths = (
        path
        for path in top.rglob("*")
        if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )
    unused = tuple(sorted(str(path.relative_to(root)) for path in paths if str(path) not in used))
    if unused:
        message = f"{len(unused)} files below {top} belong to no clip: {some(unused)}"
        yield Finding("unlabelled-file", message, ids=unused)


def describe_labels(corpus: Corpus) -> str:
    """The multimodal labels in one line."""
    labels = [clip.labels["multimodal"] for clip in corpus.clips if "multimodal" in clip.labels]
    if corpus.task is None or not labels:
        return "no labels"
    if corpus.task.kind == "regression":
        scores = [label for label in labels if isinstance(label, int | float)]
        mean = sum(scores) / len(scores)
        low, high = corpus.task.low, corpus.task.high
        return f"{min(scores):g} … {max(scores):g} of {low:g} … {high:g}, mean {mean:.3f}"
    counts = Counter(name for clip in corpus.clips for name in _classes(clip))
    return ", ".join(f"{name} {counts[name]}" for name in corpus.task.classes)


def _classes(clip: Clip) -> tuple[str, ...]:
    label = clip.labels.get("multimodal")
    if isinstance(label, str):
        return (label,)
    return label if isinstance(label, tuple) else ()


def _ids(clips: Iterable[Clip]) -> tuple[str, ...]:
    return tuple(clip.clip_id for clip in clips)
