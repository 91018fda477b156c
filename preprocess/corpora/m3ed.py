"""M3ED: Chinese television dialogues with seven emotions; split by series."""

from __future__ import annotations

from pathlib import Path

from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora.emotion_names import (
    SEVEN,
    entry_text,
    first_file,
    labels_of,
    read_json,
)
from semanticmac.preprocess.corpora.options import Options
from semanticmac.preprocess.corpora.tables import read_text

LISTS = {"train": "train", "val": "valid", "test": "test"}  # name of the list → split


def read(root: Path, options: Options) -> Corpus:
    """annotation.json beside splitInfo and the folders of clips."""
    if not (root / "annotation.json").is_file():
        raise CorpusError(
            f"m3ed: {root} holds no annotation.json; expected it beside splitInfo/ and "
            "modality_speech/<speaker>_<utterance>.wav"
        )
    split_of = {}
    for name, split in LISTS.items():
        for series in read_text(root / "splitInfo" / f"movie_list_{name}.txt").split():
            split_of[series] = split
    clips: list[Clip] = []
    for series, dialogues in read_json(root / "annotation.json", dict).items():
        for dialogue, content in dialogues.items():
            for position, (clip_id, entry) in enumerate(content.get("Dialog", {}).items()):
                where = f"annotation.json, {clip_id}"
                letter = entry_text(entry, "Speaker", where)
                person = content.get("SpeakerInfo", {}).get(letter, {}).get("Name", letter)
                emotion = entry.get("EmoAnnotation", {}).get("final_main_emo")
                stem = f"{letter}_{clip_id}"
                files = (f"modality_video/{stem}.mp4", f"modality_speech/{stem}.wav")
                clip = Clip(
                    clip_id,
                    first_file(root, *files, f"video/{stem}.mp4", f"audio/{stem}.wav"),
                    text=str(entry.get("Text") or "").strip(),
                    labels=labels_of(SEVEN, {"multimodal": emotion}, where),
                    split=split_of.get(series),
                    dialogue=dialogue,
                    position=position,
                    speaker=f"{series}_{person}",
                )
                clips.append(clip)
    return Corpus("m3ed", SEVEN, tuple(clips))
