"""CMU-MOSEI, sentiment and emotions: the official download (several annotators a clip), or the common layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from semanticmac.core import Label, Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.mmsa import clip_notes, in_order, label_file, read_common
from semanticmac.preprocess.corpora.options import Options, complete_from_root, some
from semanticmac.preprocess.corpora.tables import Row, read_table, read_text

SENTIMENT = Task("regression", low=-3.0, high=3.0)
EMOTION = Task("multi-label", ("happy", "sad", "anger", "surprise", "disgust", "fear"))
EMOTION_COLUMNS = tuple(
    f"Answer.{name}" for name in ("happiness", "sadness", "anger", "surprise", "disgust", "fear")
)
EMOTION_HIGH = 3.0  # 0 = absent … 3 = strong
SENTIMENT_COLUMN = "Answer.sentiment"
ID_COLUMNS = ("Input.VIDEO_ID", "Input.CLIP")
FIELDS = ("video", "clip", "start", "end", "text")  # of a transcript line, parted by `___`


def read(root: Path, options: Options) -> Corpus:
    """MOSEI with its sentiment labels; the clip id is `<video>_<clip>` in both layouts."""
    labels = label_file(root)
    if labels is not None:
        return read_common("mosei", root, SENTIMENT, labels)
    return _read_official("mosei", root, SENTIMENT, options)


def read_emotion(root: Path, options: Options) -> Corpus:
    """MOSEI with its six emotions, of which a clip may show several or none.

    Only the official download has them.
    """
    if _base(root) is None and label_file(root) is not None:
        raise CorpusError(
            f"mosei-emotion: {root} holds the common layout, whose label.csv has sentiment only; the emotions are in "
            "Labels/*.csv of the official download"
        )
    return _read_official("mosei-emotion", root, EMOTION, options)


def _base(root: Path) -> Path | None:
    return next(
        (
            base
            for base in (root, root / "Raw")
            if (base / "Transcript/Segmented/Combined").is_dir()
        ),
        None,
    )


def _read_official(name: str, root: Path, task: Task, options: Options) -> Corpus:
    base = _base(root)
    if base is None:
        raise CorpusError(
            f"{name}: {root} holds neither label.csv (common layout) nor Transcript/Segmented/Combined/<video>.txt "
            "(official layout, with Videos/Segmented/Combined or Videos/Full/Combined, and Labels/*.csv)"
        )
    transcripts = sorted((base / "Transcript/Segmented/Combined").glob("[!.]*.txt"))
    label_files = sorted((base / "Labels").glob("[!.]*.csv"))
    labels = _read_labels(label_files, task) if options.labels is None else {}
    lines = _Lines()
    for path in transcripts:
        _read_transcript(path, lines)
    if not lines.good:
        raise CorpusError(
            f"{name}: no line `{'___'.join(FIELDS)}` in {base / 'Transcript/Segmented/Combined'}/*.txt"
        )
    clips = [_clip(root, base, line, labels) for line in lines.good.values()]
    left_over = [clip_id for clip_id in labels if clip_id not in lines.good]
    notes = (
        [f"{len(left_over)} labels have no transcript and are left out: {some(left_over)}"]
        if left_over
        else []
    )
    if lines.bad:
        notes.append(
            f"{len(lines.bad)} transcript lines are not `{'___'.join(FIELDS)}`: {some(lines.bad)}"
        )
    corpus = Corpus(name, task, tuple(in_order(clips)), tuple(notes))
    corpus = complete_from_root(corpus, root, options, "Labels/*.csv")
    return Corpus(name, task, corpus.clips, (*corpus.notes, *clip_notes(list(corpus.clips))))


@dataclass(frozen=True)
class _Line:
    """One clip of a transcript file."""

    clip_id: str
    video: str
    start_s: float
    end_s: float
    text: str


@dataclass
class _Lines:
    """The clips of all transcript files by id, and where a line could not be read."""

    good: dict[str, _Line] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)


def _read_transcript(path: Path, lines: _Lines) -> None:
    for number, content in enumerate(read_text(path).splitlines(), start=1):
        if not content.strip():
            continue
        # A video id may end in `_`: `a____0___…` parts after the id, which is the name of the file.
        head = path.stem if content.startswith(f"{path.stem}___") else content.split("___", 1)[0]
        cells = content[len(head) + 3 :].split("___", 3)
        if len(cells) != 4 or not cells[0].strip():
            lines.bad.append(f"{path.name}:{number}")
            continue
        row = Row(path, number, {})
        start_s, end_s = (
            row.parse_number(cells[1], "the start"),
            row.parse_number(cells[2], "the end"),
        )
        clip_id = f"{head}_{cells[0].strip()}"
        if clip_id in lines.good:
            raise row.error(f"the clip {clip_id} stands twice")
        if start_s < 0 or end_s <= start_s:
            lines.bad.append(f"{path.name}:{number}")
            continue
        lines.good[clip_id] = _Line(clip_id, head, start_s, end_s, cells[3].strip())


def _clip(root: Path, base: Path, line: _Line, labels: dict[str, Label]) -> Clip:
    """The clip in its own file where the videos came cut, else as a span of the full video."""
    folder = base.relative_to(root)
    segmented = inside(root, f"{folder}/Videos/Segmented/Combined/{line.clip_id}.mp4")
    full = inside(root, f"{folder}/Videos/Full/Combined/{line.video}.mp4")
    cut = segmented.is_file() or not full.parent.is_dir()
    return Clip(
        line.clip_id,
        segmented if cut else full,
        0.0 if cut else line.start_s,
        None if cut else line.end_s,
        text=line.text,
        labels={"multimodal": labels[line.clip_id]} if line.clip_id in labels else {},
        dialogue=line.video,
    )


def _read_labels(paths: Iterable[Path], task: Task) -> dict[str, Label]:
    """The label of each clip: the mean over its annotators; an emotion is present where its mean is above 0."""
    columns = EMOTION_COLUMNS if task.kind == "multi-label" else (SENTIMENT_COLUMN,)
    low, high = (0.0, EMOTION_HIGH) if task.kind == "multi-label" else (task.low, task.high)
    answers: dict[str, list[list[float]]] = {}
    for path in paths:
        for row in read_table(path, (*ID_COLUMNS, *columns)).rows:
            of_clip = answers.setdefault(
                f"{row.name(ID_COLUMNS[0])}_{row.name(ID_COLUMNS[1])}", [[] for _ in columns]
            )
            for column, given in zip(columns, of_clip, strict=True):
                score = row.number(column)
                if score is None:
                    continue  # this annotator left the question open; the others' mean stands
                if not low <= score <= high:
                    raise row.error(f"{column} is {score:g}, outside {low:g} … {high:g}")
                given.append(score)
    labels: dict[str, Label] = {}
    for clip_id, of_clip in answers.items():
        if not all(of_clip):
            continue  # unanswered by everybody: the clip is unlabelled, and is counted as that
        means = [fmean(given) for given in of_clip]
        present = tuple(
            name for name, mean in zip(EMOTION.classes, means, strict=False) if mean > 0
        )
        labels[clip_id] = present if task.kind == "multi-label" else means[0]
    return labels
