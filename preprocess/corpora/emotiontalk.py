"""EmotionTalk: Chinese dialogues of two actors, labelled for each modality and all together."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora.emotion_names import SEVEN, first_file, labels_of, read_json
from semanticmac.preprocess.corpora.files_below import all_files
from semanticmac.preprocess.corpora.options import Options
from semanticmac.preprocess.corpora.splits import tenth_for_valid

FOLDERS = {"multimodal": "Multimodal", "text": "Text", "audio": "Audio", "vision": "Video"}
TEST = ("G00003", "G00015")  # recordings of the test split
ID = re.compile(r"(?P<dialogue>[^_]+_[^_]+)_(?P<speaker>[^_]+)_(?P<number>[0-9]+)")


def read(root: Path, options: Options) -> Corpus:
    """<Modality>/json/…/<id>.json with the labels, Multimodal/mp4/…/<id>.mp4 with the clips."""
    top = root / "Multimodal" / "json"
    turns = _turns(top)
    if not turns:
        raise CorpusError(
            f"emotiontalk: {top} holds no label file; expected <recording>/<id>.json there and in "
            "Text/json, Audio/json and Video/json, and the clips in Multimodal/mp4"
        )
    trained = {turn.dialogue for turn in turns if not turn.dialogue.startswith(TEST)}
    valid = tenth_for_valid(trained)
    clips: list[Clip] = []
    positions: Counter[str] = Counter()
    for turn in turns:
        dialogue = turn.dialogue
        below = turn.path.relative_to(top)
        entries = {}
        for modality, folder in FOLDERS.items():
            file = root / folder / "json" / below
            entries[modality] = read_json(file, dict) if file.is_file() else {}
        split = "valid" if dialogue in valid else "train"
        media = below.with_suffix("").as_posix()
        names = {modality: entry.get("emotion_result") for modality, entry in entries.items()}
        clip = Clip(
            turn.path.stem,
            first_file(root, f"Multimodal/mp4/{media}.mp4", f"Audio/wav/{media}.wav"),
            text=str((entries["text"] or entries["multimodal"]).get("content") or "").strip(),
            labels=labels_of(SEVEN, names, below.as_posix()),
            split="test" if dialogue.startswith(TEST) else split,
            dialogue=dialogue,
            position=positions[dialogue],
            speaker=str(entries["multimodal"].get("speaker_id") or "") or None,
        )
        positions[dialogue] += 1
        clips.append(clip)
    note = (
        "valid is a seeded tenth of the dialogues that are not test: the download has no list, and "
        "that of its authors' code is not read. cache --splits FILE takes a list"
    )
    return Corpus("emotiontalk", SEVEN, tuple(clips), (note,))


@dataclass(frozen=True)
class _Turn:
    """One label file and what its name says."""

    path: Path
    dialogue: str  # <recording>_<dialogue>
    number: int  # of the utterance in its dialogue; the two speakers share the numbers


def _turns(top: Path) -> list[_Turn]:
    """The label files below a folder: dialogue by dialogue, each in the order of its numbers."""
    if not top.is_dir():
        return []
    turns: list[_Turn] = []
    for path in all_files(top, hidden=False):
        if path.suffix != ".json":
            continue
        match = ID.fullmatch(path.stem)
        if match is None:
            raise CorpusError(
                f"emotiontalk: {path} is not named <recording>_<dialogue>_<speaker>_<number>.json"
            )
        turns.append(_Turn(path, match["dialogue"], int(match["number"])))
    turns.sort(key=lambda turn: (turn.dialogue, turn.number, turn.path))
    return turns
