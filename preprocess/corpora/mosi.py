"""CMU-MOSI: the official download (one transcript file for each video) or the common layout."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.mmsa import (
    label_file,
    read_common,
    unlabelled_note,
    with_positions,
)
from semanticmac.preprocess.corpora.notes import count_note
from semanticmac.preprocess.corpora.options import Options, complete_from_root
from semanticmac.preprocess.corpora.tables import Row, read_text

TASK = Task("regression", low=-3.0, high=3.0)
# A table without a header; the label is the mean sentiment of the annotators.
LABEL_FILE = "Labels/OpinionLevelSentiment.csv"
LABEL_COLUMNS = ("start", "end", "video", "segment", "label")
DELIMITER = "_DELIM_"


def read(root: Path, options: Options) -> Corpus:
    """CMU-MOSI in either of its layouts; a clip id is `<video>_<k>` in both."""
    labels = label_file(root)
    if labels is not None:
        return read_common("mosi", root, TASK, labels)
    for base in (root, root / "Raw"):
        if (base / "Transcript" / "Segmented").is_dir():
            return _read_official(root, base, options)
    raise CorpusError(
        f"mosi: {root} holds neither label.csv (common layout, clips in "
        "Raw/<video_id>/<clip_id>.mp4) nor Raw/Transcript/Segmented/<video>.annotprocessed "
        "(official layout, clips in Raw/Video/Segmented/<video>_<k>.mp4)"
    )


def _read_official(root: Path, base: Path, options: Options) -> Corpus:
    folder = base / "Transcript" / "Segmented"
    transcripts = sorted(folder.glob("[!.]*.annotprocessed"))
    if not transcripts:
        raise CorpusError(f"mosi: no <video>.annotprocessed in {folder}")
    labels = {} if options.labels else _find_labels((base / LABEL_FILE, root / LABEL_FILE))

    videos = (base / "Video" / "Segmented").relative_to(root)
    clips: list[Clip] = []
    for transcript in transcripts:
        video = transcript.stem
        for number, text in _read_transcript(transcript):
            clip_id = f"{video}_{number}"
            path = inside(root, f"{videos}/{clip_id}.mp4")
            clip = Clip(clip_id, path, text=text, dialogue=video)
            if clip_id in labels:
                clip = replace(clip, labels={"multimodal": labels.pop(clip_id)})
            clips.append(clip)

    notes = count_note("label", "have", "no transcript; left out", labels)
    corpus = Corpus("mosi", TASK, tuple(with_positions(clips)), tuple(notes))
    corpus = complete_from_root(corpus, root, options, LABEL_FILE)
    return replace(corpus, notes=(*corpus.notes, *unlabelled_note(list(corpus.clips))))


def _find_labels(paths: tuple[Path, ...]) -> dict[str, float]:
    """The labels of the first file that exists; none without a file."""
    for path in paths:
        if path.is_file():
            return _read_labels(path)
    return {}


def _read_transcript(path: Path) -> list[tuple[str, str]]:
    """The number k and the text of each line `k_DELIM_TEXT`."""
    lines: dict[str, str] = {}
    for line, content in enumerate(read_text(path).splitlines(), start=1):
        if not content.strip():
            continue
        number, delimiter, text = content.partition(DELIMITER)
        number = number.strip()
        if not delimiter or not number.isdigit():
            raise CorpusError(
                f"{path}, line {line}: expected `<number>{DELIMITER}<text>`, got {content[:40]!r}"
            )
        if number in lines:
            raise CorpusError(f"{path}, line {line}: the segment {number} appears twice")
        lines[number] = text.strip()
    return list(lines.items())


def _read_labels(path: Path) -> dict[str, float]:
    labels: dict[str, float] = {}
    for line, cells in enumerate(csv.reader(read_text(path).splitlines()), start=1):
        if not cells:
            continue
        if len(cells) != len(LABEL_COLUMNS):
            raise CorpusError(
                f"{path}, line {line}: {len(cells)} cells, expected {', '.join(LABEL_COLUMNS)}"
            )
        row = Row(path, line, dict(zip(LABEL_COLUMNS, cells, strict=True)))
        clip_id = f"{row.name('video')}_{row.name('segment')}"
        if clip_id in labels:
            raise row.error(f"the segment {clip_id} appears twice")
        label = row.parse_number(row.name("label"), "the label")
        if not TASK.low <= label <= TASK.high:
            raise row.error(f"label {label} lies outside {TASK.low:g} … {TASK.high:g}")
        labels[clip_id] = label
    return labels
