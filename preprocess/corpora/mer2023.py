"""MER2023 and later challenges of the same layout: CSV label files beside folders of clips."""

from __future__ import annotations

from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora.emotion_names import first_file, labels_of
from semanticmac.preprocess.corpora.options import Options
from semanticmac.preprocess.corpora.splits import tenth_for_valid
from semanticmac.preprocess.corpora.tables import Row, read_table

TASK = Task("single-label", ("neutral", "angry", "happy", "sad", "worried", "surprise"))
BASES = (".", "mer2023train", "test-labels", "test_labels")  # where the archives are unpacked
PARTS = ("train", "test1", "test2", "test3")
TEXT_COLUMNS = ("sentence", "chinese", "text")


def read(root: Path, options: Options) -> Corpus:
    """train-label.csv with name and discrete, and test1-label.csv … where they are there."""
    texts = {}
    transcript = _find(root, "transcription.csv")
    spoken = () if transcript is None else read_table(transcript, ("name",)).rows
    for row in spoken:
        texts[row.name("name")] = _text(row)
    clips: list[Clip] = []
    for part in PARTS:
        table = _find(root, f"{part}-label.csv")
        if table is None and part == "train":
            raise CorpusError(
                f"mer2023: {root} holds no train-label.csv (columns name, discrete); expected it "
                "beside train/<name>.avi or train/<name>.mp4"
            )
        rows = () if table is None else read_table(table, ("name", "discrete")).rows
        valid = tenth_for_valid(row.name("name") for row in rows) if part == "train" else set()
        for row in rows:
            name = row.name("name")
            files: list[str] = []
            for ending in ("avi", "mp4"):
                files += [f"{base}/{part}/{name}.{ending}" for base in BASES]
            split = "valid" if name in valid else {"train": "train", "test1": "test"}.get(part)
            labels = labels_of(TASK, {"multimodal": row.text("discrete")}, f"{row.path}, {name}")
            media = first_file(root, *files)
            clips.append(
                Clip(f"{part}_{name}", media, 0.0, None, texts.get(name, ""), labels, split)
            )
    note = "valid is a seeded tenth of train; test is test1, and test2 and test3 have no split"
    return Corpus("mer2023", TASK, tuple(clips), (note,))


def _find(root: Path, name: str) -> Path | None:
    for base in BASES:
        path = root / base / name
        if path.is_file():
            return path
    return None


def _text(row: Row) -> str:
    for column in TEXT_COLUMNS:
        if row.text(column):
            return row.text(column)
    return ""
