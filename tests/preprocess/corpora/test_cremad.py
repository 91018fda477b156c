"""CREMA-D: labels, sentences and actors from file names."""

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus


def test_video_comes_before_audio_and_no_actor_stands_in_two_splits(write):
    files = {}
    for actor in range(1001, 1011):
        files[f"AudioWAV/{actor}_DFA_ANG_XX.wav"] = b""
        files[f"AudioWAV/{actor}_IEO_HAP_LO.wav"] = b""
    files["VideoFlash/1001_DFA_ANG_XX.flv"] = b""
    files["VideoFlash/readme.flv"] = b""
    corpus = read_corpus("cremad", write(files))
    assert len(corpus.clips) == 20
    first = corpus.clips[0]
    assert first.clip_id == "1001_DFA_ANG_XX" and first.video.suffix == ".flv"
    assert first.labels == {"multimodal": "angry"} and first.text == "Don't forget a jacket."
    splits_of: dict[str | None, set[str | None]] = {}
    for clip in corpus.clips:
        splits_of.setdefault(clip.speaker, set()).add(clip.split)
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert {clip.split for clip in corpus.clips} == {"train", "valid", "test"}
    assert any("20 of the 7442 clips" in note for note in corpus.notes)
    assert any("81 speakers have none: 1011" in note for note in corpus.notes)


def test_other_names_are_refused(write):
    with pytest.raises(CorpusError, match=r"holds no file named as 1001_DFA_ANG_XX.flv"):
        read_corpus("cremad", write({"AudioWAV/a.wav": b""}))
    with pytest.raises(CorpusError, match="has the sentence XYZ, which is unknown"):
        read_corpus("cremad", write({"1001_XYZ_ANG_XX.wav": b""}))
