"""CMU-MOSEI, sentiment and emotions: the official download or the common layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from semanticmac.core import Label, Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.mmsa import (
    label_file,
    read_common,
    unlabelled_note,
    with_positions,
)
from semanticmac.preprocess.corpora.notes import count_note
from semanticmac.preprocess.corpora.options import Options, complete_from_root
from semanticmac.preprocess.corpora.tables import Row, read_table, read_text

SENTIMENT = Task("regression", low=-3.0, high=3.0)
EMOTION = Task("multi-label", ("happy", "sad", "anger", "surprise", "disgust", "fear"))
# In the order of EMOTION.classes.
EMOTION_COLUMNS = (
    "Answer.happiness",
    "Answer.sadness",
    "Answer.anger",
    "Answer.surprise",
    "Answer.disgust",
    "Answer.fear",
)
EMOTION_HIGH = 3.0  # 0 = absent … 3 = strong
SENTIMENT_COLUMN = "Answer.sentiment"
ID_COLUMNS = ("Input.VIDEO_ID", "Input.CLIP")
TRANSCRIPTS = "Transcript/Segmented/Combined"
TRANSCRIPT_LINE = "video___clip___start___end___text"


def read(root: Path, options: Options) -> Corpus:
    """MOSEI with its sentiment labels; a clip id is `<video>_<clip>` in both layouts."""
    labels = label_file(root)
    if labels is not None:
        return read_common("mosei", root, SENTIMENT, labels)
    return _read_official("mosei", root, SENTIMENT, options)


def read_emotion(root: Path, options: Options) -> Corpus:
    """MOSEI with its six emotions; a clip may have several or none.

    Only the official download has these labels.
    """
    if _find_base(root) is None and label_file(root) is not None:
        raise CorpusError(
            f"mosei-emotion: {root} holds the common layout, whose label.csv has sentiment only; "
            "the emotions are in Labels/*.csv of the official download"
        )
    return _read_official("mosei-emotion", root, EMOTION, options)


def _find_base(root: Path) -> Path | None:
    for base in (root, root / "Raw"):
        if (base / TRANSCRIPTS).is_dir():
            return base
    return None


def _read_official(name: str, root: Path, task: Task, options: Options) -> Corpus:
    base = _find_base(root)
    if base is None:
        raise CorpusError(
            f"{name}: {root} holds neither label.csv (common layout) nor "
            f"{TRANSCRIPTS}/<video>.txt (official layout, with Videos/Segmented/Combined or "
            "Videos/Full/Combined, and Labels/*.csv)"
        )
    labels: dict[str, Label] = {}
    if options.labels is None:
        labels = _read_labels(sorted((base / "Labels").glob("[!.]*.csv")), task)
    transcripts = _Transcripts()
    for path in sorted((base / TRANSCRIPTS).glob("[!.]*.txt")):
        _read_transcript(path, transcripts)
    lines = transcripts.lines
    if not lines:
        raise CorpusError(f"{name}: no line `{TRANSCRIPT_LINE}` in {base / TRANSCRIPTS}/*.txt")

    clips = [_clip(root, base, line, labels) for line in lines.values()]
    unused = [clip_id for clip_id in labels if clip_id not in lines]
    notes = count_note("label", "have", "no transcript; left out", unused)
    notes += count_note(
        "transcript line", "are", f"not `{TRANSCRIPT_LINE}`", transcripts.unreadable
    )
    corpus = Corpus(name, task, tuple(with_positions(clips)), tuple(notes))
    corpus = complete_from_root(corpus, root, options, "Labels/*.csv")
    return replace(corpus, notes=(*corpus.notes, *unlabelled_note(list(corpus.clips))))


@dataclass(frozen=True)
class _Line:
    """One clip in a transcript file."""

    clip_id: str
    video: str
    start_s: float
    end_s: float
    text: str


@dataclass
class _Transcripts:
    """The lines of all transcript files."""

    lines: dict[str, _Line] = field(default_factory=dict)  # by clip id
    unreadable: list[str] = field(default_factory=list)  # `file:line` of each


def _read_transcript(path: Path, transcripts: _Transcripts) -> None:
    for number, content in enumerate(read_text(path).splitlines(), start=1):
        if not content.strip():
            continue
        line = _parse_line(Row(path, number, {}), content)
        if line is not None and line.clip_id in transcripts.lines:
            raise CorpusError(f"{path}, line {number}: the clip {line.clip_id} appears twice")
        if line is None or line.start_s < 0 or line.end_s <= line.start_s:
            transcripts.unreadable.append(f"{path.name}:{number}")
            continue
        transcripts.lines[line.clip_id] = line


def _parse_line(row: Row, content: str) -> _Line | None:
    """A transcript line in its five fields, None if there are fewer; the text may contain `___`."""
    # A video id may end in `_`, so `a____0___…` is split behind the id in the file name.
    video = row.path.stem
    if not content.startswith(f"{video}___"):
        video = content.split("___", 1)[0]
    cells = content[len(video) + 3 :].split("___", 3)
    if len(cells) != 4 or not cells[0].strip():
        return None
    start_s = row.parse_number(cells[1], "the start")
    end_s = row.parse_number(cells[2], "the end")
    return _Line(f"{video}_{cells[0].strip()}", video, start_s, end_s, cells[3].strip())


def _clip(root: Path, base: Path, line: _Line, labels: dict[str, Label]) -> Clip:
    """The clip in its own file if the videos are cut, else as a span of the full video."""
    folder = base.relative_to(root)
    segmented = inside(root, f"{folder}/Videos/Segmented/Combined/{line.clip_id}.mp4")
    full = inside(root, f"{folder}/Videos/Full/Combined/{line.video}.mp4")
    clip = Clip(line.clip_id, segmented, text=line.text, dialogue=line.video)
    if line.clip_id in labels:
        clip = replace(clip, labels={"multimodal": labels[line.clip_id]})
    if full.parent.is_dir() and not segmented.is_file():
        clip = replace(clip, video=full, start_s=line.start_s, end_s=line.end_s)
    return clip


def _read_labels(paths: Iterable[Path], task: Task) -> dict[str, Label]:
    """The label of each clip from the means over its annotators.

    An emotion is present if its mean is above 0. A clip without an answer to each question gets no
    label.
    """
    if task.kind == "multi-label":
        answers = _read_answers(paths, EMOTION_COLUMNS, 0.0, EMOTION_HIGH)
    else:
        answers = _read_answers(paths, (SENTIMENT_COLUMN,), task.low, task.high)

    labels: dict[str, Label] = {}
    for clip_id, scores in answers.items():
        if not all(scores):
            continue
        means = list(map(fmean, scores))
        if task.kind == "multi-label":
            pairs = zip(task.classes, means, strict=True)
            labels[clip_id] = tuple(name for name, mean in pairs if mean > 0)
        else:
            labels[clip_id] = means[0]
    return labels


def _read_answers(
    paths: Iterable[Path], columns: tuple[str, ...], low: float, high: float
) -> dict[str, list[list[float]]]:
    """Of each clip, the scores of all annotators for each column."""
    answers: dict[str, list[list[float]]] = {}
    for path in paths:
        for row in read_table(path, (*ID_COLUMNS, *columns)).rows:
            clip_id = f"{row.name(ID_COLUMNS[0])}_{row.name(ID_COLUMNS[1])}"
            scores = answers.setdefault(clip_id, [[] for _ in columns])
            for column, given in zip(columns, scores, strict=True):
                score = row.number(column)
                if score is None:
                    continue  # This annotator did not answer; the mean of the others counts.
                if not low <= score <= high:
                    raise row.error(f"{column} is {score:g}, outside {low:g} … {high:g}")
                given.append(score)
    return answers
