"""RAVDESS: one clip for each recording, with video where it is there; songs are left out."""

from collections import Counter

import pytest
from support.unreadable import make_unreadable

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.corpora.check import check_corpus


def test_one_clip_for_each_recording(write):
    names = (
        "Actor_01/01-01-03-02-01-01-01.mp4",
        "Actor_01/02-01-03-02-01-01-01.mp4",  # the same without audio
        "Actor_01/03-01-03-02-01-01-01.wav",  # the same without video
        "Actor_02/03-01-08-01-02-02-02.wav",
        "Actor_02/03-02-08-01-02-02-02.wav",  # a song
        "Actor_02/notes.wav",
    )
    clips = read_corpus("ravdess", write(dict.fromkeys(names, b""))).clips
    assert [clip.clip_id for clip in clips] == ["01-01-03-02-01-01-01", "03-01-08-01-02-02-02"]
    assert [clip.labels["multimodal"] for clip in clips] == ["happy", "surprise"]
    assert [clip.text for clip in clips] == [
        "Kids are talking by the door.",
        "Dogs are sitting by the door.",
    ]
    assert [clip.speaker for clip in clips] == ["01", "02"]


def test_a_folder_of_an_actor_that_cannot_be_read_is_named(write, monkeypatch):
    root = write({f"Actor_0{actor}/03-01-08-01-02-02-0{actor}.wav": b"" for actor in (1, 2)})
    make_unreadable(root / "Actor_02", monkeypatch)
    with pytest.raises(CorpusError, match=r"Actor_02 cannot be read: Permission denied"):
        read_corpus("ravdess", root)


def test_a_folder_of_other_names_is_refused(write):
    with pytest.raises(CorpusError, match="holds no speech file named as"):
        read_corpus("ravdess", write({"Actor_01/03-02-08-01-02-02-02.wav": b""}))


def test_the_real_files(shared):
    corpus = read_corpus("ravdess", shared("ravdess"))
    assert len(corpus.clips) == 96
    assert set(Counter(clip.labels["multimodal"] for clip in corpus.clips).values()) == {12}
    assert Counter(clip.split for clip in corpus.clips) == {"train": 64, "valid": 16, "test": 16}
    assert any("18 speakers have none" in note for note in corpus.notes)


def test_a_part_of_the_download_is_incomplete(shared):
    report = check_corpus("ravdess", shared("ravdess"))
    assert not report.complete
    [finding] = [finding for finding in report.findings if finding.problem]
    assert finding.message.startswith("96 of the 1440 clips of the complete download are here")
    assert not any("1440" in note for note in report.notes)
