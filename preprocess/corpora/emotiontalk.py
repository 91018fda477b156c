"""EmotionTalk: Chinese dialogues of two actors, labelled for each modality and all together."""

from __future__ import annotations

from pathlib import Path

from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora.emotion_names import SEVEN, first_file, labels_of, read_json
from semanticmac.preprocess.corpora.options import Options
from semanticmac.preprocess.corpora.splits import tenth_for_valid

FOLDERS = {"multimodal": "Multimodal", "text": "Text", "audio": "Audio", "vision": "Video"}
TEST = ("G00003", "G00015")  # recordings of the test split


def read(root: Path, options: Options) -> Corpus:
    """<Modality>/json/…/<id>.json with the labels, Multimodal/mp4/…/<id>.mp4 with the clips."""
    top = root / "Multimodal" / "json"
    files = sorted(top.rglob("*.json"))
    if not files:
        raise CorpusError(
            f"emotiontalk: {top} holds no label file; expected <recording>/<id>.json there and in "
            "Text/json, Audio/json and Video/json, and the clips in Multimodal/mp4"
        )
    dialogue_of = {path: "_".join(path.stem.split("_")[:2]) for path in files}
    trained = {name for name in dialogue_of.values() if not name.startswith(TEST)}
    valid = tenth_for_valid(trained)
    clips, positions = [], dict.fromkeys(dialogue_of.values(), 0)
    for path, dialogue in dialogue_of.items():
        below = path.relative_to(top)
        entries = {}
        for modality, folder in FOLDERS.items():
            file = root / folder / "json" / below
            entries[modality] = read_json(file, dict) if file.is_file() else {}
        split = "valid" if dialogue in valid else "train"
        media = below.with_suffix("").as_posix()
        names = {modality: entry.get("emotion_result") for modality, entry in entries.items()}
        clip = Clip(
            path.stem,
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
    note = "valid is a seeded tenth of the dialogues that are not test: no list was published"
    return Corpus("emotiontalk", SEVEN, tuple(clips), (note,))
