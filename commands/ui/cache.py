"""Tables of the command inspect: the clips, labels and embeddings of a cached dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from rich.table import Table
from rich.text import Text

from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.stream_catalogue import CachedStream
from semanticmac.cache.streams import Streams
from semanticmac.commands.ui.safe_console import plain_text
from semanticmac.core import MODALITIES, SPLITS, Dimension, Task, counted
from semanticmac.eval.report.formatting import score_text

_BARS = "▁▂▃▄▅▆▇█"
_BINS = 14  # of the histogram of a score
_FEWER_BINS = 8  # beside the names of several scores, in 80 columns


def splits_table(manifest: Manifest) -> Table:
    """One row per split: number of clips, clips with labels and with each modality, lengths."""
    table = _table(f"{manifest.dataset}: {counted(len(manifest.rows), 'clip')}")
    table.add_column("split")
    for name in ("clips", "labelled", *MODALITIES, "frames", "seconds"):
        table.add_column(name, justify="right")

    splits = list(_by_split(manifest))
    for name, rows in splits:
        table.add_row(name, *_counts(rows))
    if len(splits) > 1:
        table.add_row("all", *_counts(manifest.rows), style="bold")
    return table


def labels_table(manifest: Manifest) -> Table | None:
    """The distribution of the labels in each split. None if the dataset has no labels."""
    task = manifest.task
    if task is None:
        return None
    if task.kind == "regression":
        return _scores_table(manifest, task)
    columns = task.classes

    table = _table(f"labels: {task.kind}")
    table.add_column("split")
    for name in columns:
        table.add_column(plain_text(name), justify="right")
    for name, rows in _by_split(manifest):
        labels = [row.label for row in rows if row.label is not None]
        if labels:
            table.add_row(name, *_label_cells(task, np.array(labels)))
    return table


def _scores_table(manifest: Manifest, task: Task) -> Table:
    """One row for each score and split."""
    title = f"labels: regression, {_range(task.dimensions[0])}"
    several = task.width > 1
    if several:
        title = f"labels: regression of {task.width} scores"
    table = _table(title)
    names = ["mean", "spread", "least", "most", "histogram"]
    if several:
        table.add_column("score", no_wrap=True)
        names.insert(0, "labelled")
    table.add_column("split")
    for name in names:
        table.add_column(name, justify="left" if name == "histogram" else "right")
    for place, dimension in enumerate(task.dimensions):
        label = f"{dimension.name}, {_range(dimension)}"
        for split, rows in _by_split(manifest):
            scores = _scores(rows, place)
            if len(scores):
                bins = _FEWER_BINS if several else _BINS
                cells: list[Text | str] = [split, *_score_cells(dimension, scores, bins)]
                if several:
                    cells = [plain_text(label), split, str(len(scores)), *cells[1:]]
                table.add_row(*cells)
                label = ""
    return table


def _range(dimension: Dimension) -> str:
    return f"{dimension.low:g} … {dimension.high:g}".replace("-", "−")


def _scores(rows: Sequence[Row], place: int) -> np.ndarray:
    """One score of the clips that have it."""
    scores = []
    for row in rows:
        if row.label is not None and not math.isnan(row.label[place]):
            scores.append(row.label[place])
    return np.array(scores)


def streams_table(manifest: Manifest, streams: Sequence[CachedStream], last: Streams) -> Table:
    """One row per stream of embeddings that holds clips of the dataset."""
    table = _table("embeddings")
    for name in ("", "encoder", "width", "clips", "size", "weights", "fingerprint"):
        justify: Literal["left", "right"] = "left"
        if name in ("width", "clips", "size"):
            justify = "right"
        table.add_column(name, justify=justify, overflow="fold")
    for stream in streams:
        fingerprint = stream.fingerprint
        clips = stream.clips_of(manifest)
        if not clips:
            continue
        mark = "*" if fingerprint in last.all else ""
        table.add_row(
            fingerprint.modality + mark,
            plain_text(fingerprint.encoder),
            str(fingerprint.width),
            f"{clips} of {len(manifest.rows)}",
            size(stream.bytes),
            _weights(fingerprint),
            fingerprint.name[-12:],
        )
    table.caption = "* cached last: train reads it unless --set vision= or audio= names another"
    table.caption_justify = "left"
    return table


def frames_line(manifest: Manifest, layout: CacheLayout) -> str:
    """How the clips were sampled, and the disk space of the frames of all datasets."""
    if manifest.sampling is None:
        return "frames: none, the features were imported"
    sampling = manifest.sampling
    frame_bytes = sum(path.stat().st_blocks * 512 for path in layout.frames.glob("*.mdb"))
    return (
        f"frames: {sampling.frames_per_s} per s, short side {sampling.short_side_px} px, "
        f"{sampling.picture}; audio {sampling.sample_rate_hz} Hz; {size(frame_bytes)} of all "
        "datasets together"
    )


def size(count: int) -> str:
    """A number of bytes with its unit."""
    if count < 1024:
        return f"{count} B"
    value = count / 1024
    for unit in ("KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _by_split(manifest: Manifest) -> Iterator[tuple[str, list[Row]]]:
    for split in (*SPLITS, None):
        rows = [row for row in manifest.rows if row.split == split]
        if rows:
            yield split or "no split", rows


def _weights(fingerprint: Fingerprint) -> str:
    if fingerprint.imported:
        return "imported"
    if fingerprint.demo_only:
        return "demo only"
    return "trained" if fingerprint.trained else "random"


def _table(title: str) -> Table:
    return Table(title=plain_text(title), title_justify="left", box=None, padding=(0, 1))


def _counts(rows: Sequence[Row]) -> list[str]:
    """The cells of splits_table after the name of the split."""
    labelled = with_text = with_audio = with_vision = 0
    frames, seconds = [], []
    for row in rows:
        labelled += row.label is not None
        with_text += bool(row.text.strip())
        with_audio += row.has_audio
        with_vision += row.has_vision
        frames.append(row.frames)
        seconds.append(row.duration_s)
    counts = (len(rows), labelled, with_text, with_audio, with_vision)
    frame_range = f"{min(frames)}–{max(frames)}"
    if min(frames) == max(frames):
        frame_range = str(frames[0])
    # Imported features have no duration.
    second_range = f"{min(seconds):.1f}–{max(seconds):.1f}" if any(seconds) else "unknown"
    return [*map(str, counts), frame_range, second_range]


def _label_cells(task: Task, labels: np.ndarray) -> list[str]:
    """labels (N, K) → the cells of labels_table after the name of the split."""
    if task.kind == "binary":
        positive = int(labels[:, 0].sum())
        return [str(len(labels) - positive), str(positive)]
    return [str(int(count)) for count in labels.sum(axis=0)]


def _score_cells(dimension: Dimension, scores: np.ndarray, bins: int) -> list[str]:
    return [
        score_text(scores.mean(), dimension),
        f"{scores.std():.2f}",
        score_text(scores.min(), dimension),
        score_text(scores.max(), dimension),
        _histogram(dimension, scores, bins),
    ]


def _histogram(dimension: Dimension, scores: np.ndarray, bins: int) -> str:
    counts, _ = np.histogram(scores, bins=bins, range=(dimension.low, dimension.high))
    heights = np.rint(counts / counts.max() * (len(_BARS) - 1)).astype(int)
    return "".join(_BARS[height] for height in heights)
