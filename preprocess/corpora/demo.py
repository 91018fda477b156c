"""The demo corpus: drawn talking faces with synthetic voices, rendered on this machine."""

from __future__ import annotations

import csv
from pathlib import Path

from semanticmac.core import Label, Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, check_clips, inside
from semanticmac.preprocess.corpora.labels import LABEL_COLUMNS
from semanticmac.preprocess.corpora.options import OFFICIAL, Options
from semanticmac.preprocess.demo import render as rendering
from semanticmac.preprocess.demo.plan import DemoSpec

NAME = "demo"


def render(
    root: Path,
    seed: int = 0,
    clips: int = 320,
    workers: int | None = None,
    progress: rendering.RenderProgress | None = None,
) -> Corpus:
    """Renders the missing clips of the demo corpus into root and reads the corpus.

    workers=None starts one process for each core. The multimodal label is
    clip(0.4·text + 0.3·audio + 0.3·vision + N(0, 0.2²), −3, 3). The three affects often contradict
    each other, so no modality is enough alone. Raises CorpusError if root has other content.
    """
    rendering.render(root, DemoSpec(seed=seed, clips=clips), workers, progress)
    return read(root)


def read(root: Path, options: Options = OFFICIAL) -> Corpus:
    """The corpus of a rendered folder. The videos are not opened."""
    table = root / "clips.csv"
    if not table.is_file():
        if (root / "spec.json").is_file():
            raise CorpusError(
                f"{root} has no clips.csv: rendering was interrupted. "
                "Run `semanticmac demo` again; it resumes."
            )
        raise CorpusError(
            f"{root} is no rendered demo corpus: expected clips.csv, spec.json and videos/ in it. "
            "Render one with `semanticmac demo`."
        )
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = set(rendering.COLUMNS) - set(rows[0] if rows else ())
    if missing:
        raise CorpusError(
            f"{table} lacks {', '.join(sorted(missing))}; expected the columns "
            f"{', '.join(rendering.COLUMNS)}. Delete {root} and render it again with "
            "`semanticmac demo`."
        )
    clips = check_clips((_clip(root, row) for row in rows), NAME)
    return Corpus(name=NAME, task=Task("regression", low=-3.0, high=3.0), clips=tuple(clips))


def _clip(root: Path, row: dict[str, str]) -> Clip:
    labels: dict[str, Label] = {}
    for column, modality in LABEL_COLUMNS.items():
        try:
            labels[modality] = float(row[column])
        except (TypeError, ValueError) as error:
            raise CorpusError(
                f"{root / 'clips.csv'}, clip {row['clip_id']!r}: {column} is not a number "
                f"({error}). Delete {root} and render it again with `semanticmac demo`."
            ) from error
    return Clip(
        clip_id=row["clip_id"],
        video=inside(root, row["file"]),
        text=row["text"],
        labels=labels,
        split=row["split"],
        speaker=row["speaker"],
    )
