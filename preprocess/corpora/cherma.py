"""CHERMA: Chinese clips with seven emotions, labelled for text, audio, vision and all together."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora.emotion_names import (
    SEVEN,
    entry_text,
    first_file,
    labels_of,
    read_json,
)
from semanticmac.preprocess.corpora.options import Options

PARTS = {"train": "train", "dev": "valid", "test": "test"}  # name of the file → split
LABELS = {
    "multimodal": "video_label",
    "text": "txt_label",
    "audio": "audio_label",
    "vision": "visual_label",
}
TEXTS = ("text", "txt", "sentence", "content")  # keys under which a transcript may stand


def read(root: Path, options: Options) -> Corpus:
    """train.json, dev.json and test.json beside the folders of clips."""
    clips: list[Clip] = []
    for part, split in PARTS.items():
        path = root / f"{part}.json"
        if not path.is_file():
            raise CorpusError(
                f"cherma: {root} holds no {part}.json; expected train.json, dev.json and "
                "test.json beside video/<split>/<file>"
            )
        for number, entry in enumerate(read_json(path, list)):
            where = f"{path.name}, entry {number}"
            file = PurePosixPath(entry_text(entry, "video_file", where))
            names = {modality: entry.get(key) for modality, key in LABELS.items()}
            folders = (f"video/{part}", "video", part, ".")
            clip = Clip(
                f"{split}_{file.stem}",
                first_file(root, *(f"{folder}/{file}" for folder in folders)),
                text=_text(entry),
                labels=labels_of(SEVEN, names, where),
                split=split,
            )
            clips.append(clip)
    return Corpus("cherma", SEVEN, tuple(clips))


def _text(entry: dict[str, Any]) -> str:
    for key in TEXTS:
        if entry.get(key):
            return str(entry[key]).strip()
    return ""
