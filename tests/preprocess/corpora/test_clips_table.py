"""Clips that stand twice in clips.csv."""

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus

FILES = {f"{name}.mp4": b"video" for name in "abc"}


def test_the_same_clip_with_two_labels_is_an_error(write):
    table = "file,label\na.mp4,0\nb.mp4,1\na.mp4,1\n"
    with pytest.raises(CorpusError, match=r"line 4: a\.mp4 has other labels than in line 2"):
        read_corpus("folder", write({**FILES, "clips.csv": table}))


def test_the_same_clip_with_the_same_label_is_told(write):
    table = "file,start_s,label\na.mp4,0,0\nb.mp4,0,1\na.mp4,0,0\n"
    corpus = read_corpus("folder", write({**FILES, "clips.csv": table}))
    note = "1 clips are the same part of the same file as another clip: a#2"
    assert note in corpus.notes


def test_other_parts_of_a_file_are_other_clips(write):
    table = "file,start_s,end_s,label\na.mp4,0,1,0\nb.mp4,0,1,1\na.mp4,1,2,1\n"
    corpus = read_corpus("folder", write({**FILES, "clips.csv": table}))
    assert [clip.labels["multimodal"] for clip in corpus.clips] == ["0", "1", "1"]
