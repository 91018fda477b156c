"""CHERMA: Chinese labels for each modality; clips in one of several folders."""

import json

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus


def entry(name: str, **changes: object) -> dict[str, object]:
    labels = {"txt_label": "平静", "audio_label": "愤怒", "visual_label": "", "video_label": "惊奇"}
    return {"audio_file": f"{name}.wav", "video_file": f"{name}.mp4", **labels, **changes}


def test_four_labels_and_three_splits(write):
    files = {
        "train.json": json.dumps([entry("1", txt="好"), entry("2")]),
        "dev.json": json.dumps([entry("1")]),
        "test.json": json.dumps([entry("3")]),
        "video/train/1.mp4": b"",
        "video/3.mp4": b"",
    }
    clips = read_corpus("cherma", write(files)).clips
    assert [clip.clip_id for clip in clips] == ["train_1", "train_2", "valid_1", "test_3"]
    assert clips[0].labels == {"multimodal": "surprise", "text": "neutral", "audio": "angry"}
    assert clips[0].text == "好" and clips[1].text == ""
    assert clips[0].video.is_file() and clips[3].video.is_file() and not clips[1].video.exists()


def test_a_file_that_is_absent_and_a_key_that_is_absent_are_named(write):
    root = write({"train.json": json.dumps([{"video_label": "惊奇"}])})
    with pytest.raises(CorpusError, match=r"train.json, entry 0: 'video_file' is None"):
        read_corpus("cherma", root)
    root = write({"train.json": json.dumps([entry("1")])})
    with pytest.raises(CorpusError, match=r"holds no dev.json"):
        read_corpus("cherma", root)
    with pytest.raises(CorpusError, match="leads out of"):
        read_corpus("cherma", write({"train.json": json.dumps([entry("../../../../x")])}))
