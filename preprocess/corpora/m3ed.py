"""M3ED: Chinese television dialogues with seven emotions; split by series."""

from __future__ import annotations

from pathlib import Path

from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora.emotion_names import (
    SEVEN,
    entry_object,
    entry_text,
    first_file,
    labels_of,
    read_json,
)
from semanticmac.preprocess.corpora.notes import preview
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
    annotation: dict[str, object] = read_json(root / "annotation.json", dict)
    for series in annotation:
        dialogues = entry_object(annotation, series, "annotation.json")
        for dialogue in dialogues:
            content = entry_object(dialogues, dialogue, "annotation.json")
            people = entry_object(content, "SpeakerInfo", f"annotation.json, {dialogue}")
            utterances = entry_object(content, "Dialog", f"annotation.json, {dialogue}")
            for position, (clip_id, entry) in enumerate(utterances.items()):
                where = f"annotation.json, {clip_id}"
                letter = entry_text(entry, "Speaker", where)
                person = entry_object(people, letter, where).get("Name", letter)
                emotion = entry_object(entry, "EmoAnnotation", where).get("final_main_emo")
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
    unlisted = [series for series in annotation if series not in split_of]
    notes: tuple[str, ...] = ()
    if unlisted:
        notes = (
            f"no list of splitInfo has these series, so they have no split: {preview(unlisted)}",
        )
    return Corpus("m3ed", SEVEN, tuple(clips), notes)
