"""MER2023: CSV label files; test1 is the test split."""

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus


def test_parts_texts_and_files(write):
    names = [f"sample_{number}" for number in range(12)]
    rows = "".join(f"{name},happy,1.5\n" for name in names)
    files: dict[str, str | bytes] = {
        "mer2023train/train-label.csv": "name,discrete,valence\n" + rows,
        "test-labels/test1-label.csv": "name,discrete,valence\nt1,worried,-1\n",
        "test-labels/test3-label.csv": "name,discrete\nt3,sad\n",
        "transcription.csv": "name,chinese\nsample_0,你好\n",
        "mer2023train/train/sample_0.avi": b"",
        "test1/t1.mp4": b"",
    }
    clips = {clip.clip_id: clip for clip in read_corpus("mer2023", write(files)).clips}
    assert clips["train_sample_0"].text == "你好" and clips["train_sample_0"].video.is_file()
    assert clips["test1_t1"].split == "test" and clips["test1_t1"].video.suffix == ".mp4"
    assert clips["test1_t1"].labels == {"multimodal": "worried"}
    assert clips["test3_t3"].split is None
    splits = [clips[f"train_{name}"].split for name in names]
    assert splits.count("valid") == 1 and splits.count("train") == 11


def test_without_labels_the_layout_is_told(write):
    with pytest.raises(CorpusError, match=r"no train-label.csv \(columns name, discrete\)"):
        read_corpus("mer2023", write({"train/a.avi": b""}))
