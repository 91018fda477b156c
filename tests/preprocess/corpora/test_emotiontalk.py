"""EmotionTalk: one JSON file for each utterance and modality; test by recording."""

import json

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus


def test_labels_of_every_modality_and_the_test_recordings(write):
    files: dict[str, str | bytes] = {}
    for number in (1, 2, 3):
        for turn in (1, 2):
            stem = f"G0000{number}/G0000{number}_01/G0000{number}_01_01_00{turn}"
            content = {"emotion_result": "surprised", "speaker_id": f"s{turn}", "content": "好"}
            files[f"Multimodal/json/{stem}.json"] = json.dumps(content)
            files[f"Text/json/{stem}.json"] = json.dumps(content | {"emotion_result": "angry"})
            files[f"Audio/wav/{stem}.wav"] = b""
    files["Multimodal/mp4/G00001/G00001_01/G00001_01_01_001.mp4"] = b""
    corpus = read_corpus("emotiontalk", write(files))
    first = corpus.clips[0]
    assert first.labels == {"multimodal": "surprise", "text": "angry"} and first.text == "好"
    assert first.video.suffix == ".mp4" and corpus.clips[1].video.suffix == ".wav"
    assert (first.dialogue, first.position, first.speaker) == ("G00001_01", 0, "s1")
    splits = {clip.dialogue: clip.split for clip in corpus.clips}
    assert splits["G00003_01"] == "test"
    assert sorted([splits["G00001_01"], splits["G00002_01"]]) == ["train", "valid"]
    assert any("that of its authors' code is not read" in note for note in corpus.notes)


def test_a_dialogue_is_in_the_order_of_its_numbers_across_both_speakers(write):
    files: dict[str, str | bytes] = {}
    for speaker, number in (("12", "002"), ("12", "10"), ("14", "001"), ("14", "9")):
        name = f"G00009/G00009_42/G00009_42_{speaker}/G00009_42_{speaker}_{number}.json"
        files[f"Multimodal/json/{name}"] = json.dumps({"emotion_result": "happy"})
    files["Multimodal/json/G00009/._G00009_42_12_002.json"] = b"\0"
    clips = read_corpus("emotiontalk", write(files)).clips
    ids = ["G00009_42_14_001", "G00009_42_12_002", "G00009_42_14_9", "G00009_42_12_10"]
    assert [clip.clip_id for clip in clips] == ids
    assert [clip.position for clip in clips] == [0, 1, 2, 3]


def test_a_label_file_whose_name_has_no_number_is_refused(write):
    root = write({"Multimodal/json/G00009/G00009_42.json": b"{}"})
    with pytest.raises(CorpusError, match=r"G00009_42.json is not named <recording>_<dialogue>_"):
        read_corpus("emotiontalk", root)


def test_a_folder_without_label_files_is_refused(write):
    with pytest.raises(CorpusError, match=r"holds no label file; expected <recording>/<id>.json"):
        read_corpus("emotiontalk", write({"a.txt": ""}))
