"""The demo corpus: drawn talking faces with synthetic voices, rendered on this machine; nothing is downloaded."""

from __future__ import annotations

import csv
from pathlib import Path

from semanticmac.core import MODALITIES, Label, Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, check_clips, inside
from semanticmac.preprocess.demo import render as rendering
from semanticmac.preprocess.demo.plan import DemoSpec

NAME = "demo"


def render(
    root: Path,
    seed: int = 0,
    clips: int = 320,
    workers: int | None = None,
    progress: rendering.Progress | None = None,
) -> Corpus:
    """Render the demo corpus into root, or what is missing of it, and read it. workers None = one a core.

    The multimodal label is clip(0.4·text + 0.3·audio + 0.3·vision + N(0, 0.2²), −3, 3) of three
    affects that often contradict one another, so that no modality alone suffices. Raises
    CorpusError if root holds something else.
    """
    rendering.render(root, DemoSpec(seed=seed, clips=clips), workers, progress)
    return read(root)


def read(root: Path) -> Corpus:
    """The corpus of a rendered folder.

    Whether each video is there, and whole, is for the decoder to say.
    """
    table = root / "clips.csv"
    if not table.is_file():
        if (root / "spec.json").is_file():
            raise CorpusError(
                f"{root} has no clips.csv: rendering was interrupted. Run `semanticmac demo` again; it resumes."
            )
        raise CorpusError(
            f"{root} is no rendered demo corpus: expected clips.csv, spec.json and videos/ in it. "
            f"Render one with `semanticmac demo`."
        )
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
        missing = set(rendering.COLUMNS) - set(rows[0] if rows else ())
    if missing:
        raise CorpusError(
            f"{table} lacks {', '.join(sorted(missing))}; expected the columns {', '.join(rendering.COLUMNS)}. "
            f"Delete {root} and render it again with `semanticmac demo`."
        )
    clips = check_clips((_clip(root, row) for row in rows), NAME)
    return Corpus(name=NAME, task=Task("regression", low=-3.0, high=3.0), clips=tuple(clips))


def _clip(root: Path, row: dict[str, str]) -> Clip:
    columns = {"multimodal": "label", **{modality: f"label_{modality}" for modality in MODALITIES}}
    try:
        labels: dict[str, Label] = {key: float(row[column]) for key, column in columns.items()}
    except (TypeError, ValueError) as error:
        raise CorpusError(
            f"{root / 'clips.csv'}, clip {row['clip_id']!r}: a label is no number ({error}). "
            f"Delete {root} and render it again with `semanticmac demo`."
        ) from error
    return Clip(
        clip_id=row["clip_id"],
        video=inside(root, row["file"]),
        text=row["text"],
        labels=labels,
        split=row["split"],
        speaker=row["speaker"],
    )
