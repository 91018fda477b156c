"""What is in a cache, what failed and what was predicted, as Rich tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from rich.table import Table
from rich.text import Text

from semanticmac.cache.embedding_store import read_index
from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.commands.ui.safe_console import plain_text
from semanticmac.core import MODALITIES, SUB_TASKS, Task
from semanticmac.eval.report.formatting import spoken

if TYPE_CHECKING:
    from semanticmac.eval.predict import (
        Predictions,  # not at run time: it loads torch, which `inspect` needs not
    )

_BARS = "▁▂▃▄▅▆▇█"
SHOWN_GROUPS = 30
SHOWN_CLIPS = 3  # of one reason


def splits_table(manifest: Manifest) -> Table:
    """Clips per split: how many, what they have, how long they are."""
    table = _table(f"{manifest.dataset}: {len(manifest.rows)} clips")
    table.add_column("split")
    for name in ("clips", "labelled", *MODALITIES, "frames", "seconds"):
        table.add_column(name, justify="right")
    for split in ("train", "valid", "test", None):
        rows = [row for row in manifest.rows if row.split == split]
        if rows:
            table.add_row(split or "no split", *_counts(rows))
    if len({row.split for row in manifest.rows}) > 1:
        table.add_row("all", *_counts(manifest.rows), style="bold")
    return table


def labels_table(manifest: Manifest) -> Table | None:
    """How the labels are distributed in each split; None where nothing is labelled."""
    task = manifest.task
    if task is None:
        return None
    table = _table(
        f"labels: {task.kind}"
        + (f", {task.low:g} … {task.high:g}" if task.kind == "regression" else "")
    )
    table.add_column("split")
    columns = (
        ("mean", "spread", "least", "most", "histogram")
        if task.kind == "regression"
        else task.classes
    )
    for name in columns:
        justify: Literal["left", "right"] = "left" if name == "histogram" else "right"
        table.add_column(plain_text(name), justify=justify)
    for split in ("train", "valid", "test", None):
        labels = [
            row.label for row in manifest.rows if row.split == split and row.label is not None
        ]
        if labels:
            table.add_row(split or "no split", *_label_cells(task, np.array(labels)))
    return table


def failures_table(failures: Sequence[tuple[str, str, bool]]) -> Table:
    """(clip id, reason, cached) of every clip that is missing from the cache or not as one would expect, by reason."""
    groups: dict[tuple[bool, str], list[str]] = {}
    for clip_id, reason, cached in failures:
        groups.setdefault((cached, reason), []).append(clip_id)
    table = _table()
    table.add_column("")
    table.add_column("clips", overflow="fold")
    table.add_column("reason", overflow="fold")
    for (cached, reason), clips in sorted(groups.items(), key=lambda group: group[0][0])[
        :SHOWN_GROUPS
    ]:
        state = Text("cached", style="yellow") if cached else Text("failed", style="bold red")
        more = f" … {len(clips)} in all" if len(clips) > SHOWN_CLIPS else ""
        shown = "\n".join(clips[:SHOWN_CLIPS])
        table.add_row(state, plain_text(shown + more), plain_text(reason))
    if len(groups) > SHOWN_GROUPS:
        table.add_row("", f"… {len(groups) - SHOWN_GROUPS} more reasons", "")
    return table


def predictions_table(
    task: Task, used: Sequence[str], clips: Sequence[tuple[str, Predictions]], notes: Sequence[str]
) -> Table:
    """The multimodal prediction of every clip, and beside it that of each modality that the model uses."""
    table = _table("predictions", plain_text("\n".join(notes)))
    table.add_column("clip", overflow="fold")
    table.add_column("multimodal", style="bold")
    for name in used:
        table.add_column(f"{name} alone")
    for name, predicted in clips:
        scores, present = predicted.scores[0], predicted.present[0]  # (5, K), (3,)
        places = [MODALITIES.index(modality) for modality in used]
        alone = [spoken(task, scores[2 + m]) if present[m] else "absent" for m in places]
        table.add_row(
            plain_text(name), plain_text(spoken(task, scores[0])), *map(plain_text, alone)
        )
    return table


def predictions_json(
    task: Task,
    run: str,
    clips: Sequence[tuple[str, Predictions]],
    failures: Sequence[tuple[str, str, bool]],
    notes: Sequence[str],
) -> dict[str, object]:
    """The same for a program: raw scores (logits for classes) by sub-task, null for an absent modality."""
    rows = []
    for name, predicted in clips:
        real = [True, True, *predicted.present[0]]
        scores = {
            sub_task: score.tolist() if there else None
            for sub_task, score, there in zip(SUB_TASKS, predicted.scores[0], real, strict=True)
        }
        rows.append(
            {"clip": name, "prediction": spoken(task, predicted.scores[0, 0]), "scores": scores}
        )
    failed = [{"clip": name, "reason": reason} for name, reason, _ in failures]
    return {
        "run": run,
        "task": task.kind,
        "classes": list(task.classes),
        "notes": list(notes),
        "predictions": rows,
        "failures": failed,
    }


def fingerprint_table(fingerprint: Fingerprint, layout: CacheLayout) -> Table:
    """What made the embeddings, and what they and the frames weigh."""
    shards = read_index(layout.embeddings(fingerprint))
    frames = sum(path.stat().st_blocks * 512 for path in layout.frames.glob("*.mdb"))
    table = _table("embeddings")
    table.add_column("", style="dim")
    table.add_column("", overflow="fold")
    sampling = fingerprint.sampling
    sampled = (
        f"{sampling.frames_per_s} frames/s, short side {sampling.short_side_px} px, {sampling.picture}, "
        f"{sampling.sample_rate_hz} Hz"
    )
    for name, value in (
        ("encoder", fingerprint.encoder + _limits(fingerprint)),
        ("weights", f"SHA-256 {fingerprint.weights[:16]}…"),
        ("fingerprint", fingerprint.name),
        ("width", f"{fingerprint.width} × {fingerprint.dtype}"),
        ("sampling", "unknown: the features were imported" if fingerprint.imported else sampled),
        (
            "shards",
            f"{len(shards)}, {size(sum(shard.bytes for shard in shards))}, all datasets together",
        ),
        ("frames", f"{size(frames)}, all datasets together"),
    ):
        table.add_row(name, plain_text(value))
    return table


def _limits(fingerprint: Fingerprint) -> str:
    if fingerprint.drawn_only:
        return " (trained on drawn faces and synthetic voices only: useless on real people)"
    return "" if fingerprint.trained else " (untrained: random weights)"


def size(count: int) -> str:
    """Bytes for a person."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _table(title: str | None = None, caption: Text | None = None) -> Table:
    return Table(
        title=plain_text(title) if title else None,
        caption=caption or None,
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1),
    )


def _counts(rows: Sequence[Row]) -> list[str]:
    frames = np.array([row.frames for row in rows])
    seconds = np.array([row.duration_s for row in rows])
    counts = (
        len(rows),
        sum(row.label is not None for row in rows),
        sum(bool(row.text.strip()) for row in rows),
        sum(row.has_audio for row in rows),
        sum(row.has_vision for row in rows),
    )
    frame_range = (
        str(frames.min()) if frames.min() == frames.max() else f"{frames.min()}–{frames.max()}"
    )
    second_range = f"{seconds.min():.1f}–{seconds.max():.1f}" if seconds.any() else "unknown"
    return [*map(str, counts), frame_range, second_range]


def _label_cells(task: Task, labels: np.ndarray) -> list[str]:
    if task.kind == "regression":
        values = labels[:, 0]
        counts, _ = np.histogram(values, bins=14, range=(task.low, task.high))
        bars = "".join(_BARS[round(count / counts.max() * (len(_BARS) - 1))] for count in counts)
        return [
            *(
                f"{value:+.2f}"
                for value in (values.mean(), values.std(), values.min(), values.max())
            ),
            bars,
        ]
    if task.kind == "binary":
        positive = int(labels[:, 0].sum())
        return [str(len(labels) - positive), str(positive)]
    return [str(int(count)) for count in labels.sum(axis=0)]
