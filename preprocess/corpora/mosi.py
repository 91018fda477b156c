"""CMU-MOSI: the official download (one transcript file a video), or the common layout (label.csv)."""

from __future__ import annotations

import csv
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.mmsa import clip_notes, in_order, label_file, read_common
from semanticmac.preprocess.corpora.options import Options, complete_from_root, some
from semanticmac.preprocess.corpora.tables import Row, read_text

TASK = Task("regression", low=-3.0, high=3.0)
# no header: start, end, video, segment, mean sentiment of the annotators
LABEL_FILE = "Labels/OpinionLevelSentiment.csv"
LABEL_COLUMNS = ("start", "end", "video", "segment", "label")
DELIMITER = "_DELIM_"


def read(root: Path, options: Options) -> Corpus:
    """CMU-MOSI from whichever of its two layouts lies in root; the clip id is `<video>_<k>` in both."""
    labels = label_file(root)
    if labels is not None:
        return read_common("mosi", root, TASK, labels)
    for base in (root, root / "Raw"):
        if (base / "Transcript" / "Segmented").is_dir():
            return _read_official(root, base, options)
    raise CorpusError(
        f"mosi: {root} holds neither label.csv (common layout, clips in Raw/<video_id>/<clip_id>.mp4) nor "
        "Raw/Transcript/Segmented/<video>.annotprocessed (official layout, "
        "clips in Raw/Video/Segmented/<video>_<k>.mp4)"
    )


def _read_official(root: Path, base: Path, options: Options) -> Corpus:
    transcripts = sorted((base / "Transcript" / "Segmented").glob("[!.]*.annotprocessed"))
    if not transcripts:
        raise CorpusError(f"mosi: no <video>.annotprocessed in {base / 'Transcript' / 'Segmented'}")
    label_path = next(
        (path for path in (base / LABEL_FILE, root / LABEL_FILE) if path.is_file()), None
    )
    labels = _read_labels(label_path) if label_path and options.labels is None else {}
    folder = (base / "Video" / "Segmented").relative_to(root)
    clips = []
    for transcript in transcripts:
        for number, text in _read_transcript(transcript):
            clip_id = f"{transcript.stem}_{number}"
            label = {"multimodal": labels.pop(clip_id)} if clip_id in labels else {}
            video = inside(root, f"{folder}/{clip_id}.mp4")
            clips.append(Clip(clip_id, video, text=text, labels=label, dialogue=transcript.stem))
    notes = (
        [f"{len(labels)} labels have no transcript and are left out: {some(labels)}"]
        if labels
        else []
    )
    corpus = Corpus("mosi", TASK, tuple(in_order(clips)), tuple(notes))
    corpus = complete_from_root(corpus, root, options, LABEL_FILE)
    return Corpus("mosi", TASK, corpus.clips, (*corpus.notes, *clip_notes(list(corpus.clips))))


def _read_transcript(path: Path) -> list[tuple[str, str]]:
    """The (k, text) of each line `k_DELIM_TEXT`."""
    lines: dict[str, str] = {}
    for line, content in enumerate(read_text(path).splitlines(), start=1):
        if not content.strip():
            continue
        number, found, text = content.partition(DELIMITER)
        if not found or not number.strip().isdigit():
            raise CorpusError(
                f"{path}, line {line}: expected `<number>{DELIMITER}<text>`, got {content[:40]!r}"
            )
        if number.strip() in lines:
            raise CorpusError(f"{path}, line {line}: the segment {number.strip()} stands twice")
        lines[number.strip()] = text.strip()
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
            raise row.error(f"the segment {clip_id} stands twice")
        label = row.parse_number(row.name("label"), "the label")
        if not TASK.low <= label <= TASK.high:
            raise row.error(f"label {label} lies outside {TASK.low:g} … {TASK.high:g}")
        labels[clip_id] = label
    return labels
