"""MELD: three tables whose ids repeat, broken clips, time codes, and the real label files."""

from collections import Counter

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,"
HEADER += "Season,Episode,StartTime,EndTime\n"
ROW = '1,"Oh, ""you’re"" here",Monica,joy,positive,0,1,8,21,"00:16:16,059","00:16:21,73"\n'
TABLES = {f"{part}_sent_emo.csv": HEADER + ROW for part in ("train", "dev", "test")}


def test_the_same_ids_in_three_splits_stay_apart(write):
    root = write(TABLES | {"dev_splits_complete/dia0_utt1.mp4": b""})
    corpus = read_corpus("meld", root)
    assert [(clip.clip_id, clip.split, clip.dialogue) for clip in corpus.clips] == [
        (f"{split}_dia0_utt1", split, f"{split}_dia0") for split in ("train", "valid", "test")
    ]
    valid = corpus.clips[1]
    assert (valid.text, valid.speaker, valid.position) == ('Oh, "you’re" here', "Monica", 1)
    assert valid.labels == {"multimodal": "joy"}
    assert valid.video == root / "dev_splits_complete/dia0_utt1.mp4"
    assert (valid.start_s, valid.end_s) == (0.0, None)
    assert corpus.notes == ("2 of 3 video files are missing: train_dia0_utt1, test_dia0_utt1",)


@pytest.mark.parametrize("base", ["MELD.Raw", "data/MELD"])
def test_the_files_may_lie_in_the_folder_of_the_archive_or_the_repository(write, base):
    files = {f"{base}/{name}": table for name, table in TABLES.items()}
    root = write(files | {"MELD.Raw/train_splits/dia0_utt1.mp4": b""})
    assert read_corpus("meld", root).clips[0].video == root / "MELD.Raw/train_splits/dia0_utt1.mp4"


def test_a_table_in_windows_1252_reads_the_same(write):
    raw = {name: table.encode("cp1252") for name, table in TABLES.items()}
    assert read_corpus("meld", write(raw)).clips[0].text == 'Oh, "you’re" here'


def test_clips_that_are_broken_in_the_download_are_named(write):
    bad = HEADER + ROW.replace("positive,0,1", "positive,125,3")
    corpus = read_corpus("meld", write(TABLES | {"train_sent_emo.csv": bad}))
    assert (
        "known to be broken in the download: train_dia125_utt3 (the video file is corrupt)"
        in corpus.notes
    )
    assert not any("dia110_utt7" in note for note in corpus.notes)  # no clip of it is here


def test_time_codes_that_run_backwards_are_named(write):
    backwards = HEADER + ROW.replace("00:16:21,73", "00:16:16,05")
    corpus = read_corpus("meld", write(TABLES | {"test_sent_emo.csv": backwards}))
    assert "time codes that run backwards (they are not used): 1, test_dia0_utt1" in corpus.notes


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            ROW.replace("joy", "happy"),
            r"train_sent_emo\.csv, line 2: Emotion: label 'happy' is not one of neutral",
        ),
        (ROW.replace("joy", ""), r"train_sent_emo\.csv, line 2: the column 'Emotion' is empty"),
        (ROW + ROW, r"train_sent_emo\.csv, line 3: the clip train_dia0_utt1 appears twice"),
        (
            ROW.replace("positive,0", "positive,../../x"),
            r"line 2: Dialogue_ID is '\.\./\.\./x', expected a whole number",
        ),
        (
            ROW.replace("00:16:16,059", "16 s"),
            r"line 2: StartTime is '16 s', expected hours:minutes:seconds,milliseconds",
        ),
    ],
)
def test_a_wrong_row_names_file_and_line(write, row, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus("meld", write(TABLES | {"train_sent_emo.csv": HEADER + row}))


def test_an_absent_table_says_where_it_was_expected(write):
    with pytest.raises(
        CorpusError, match=r"holds no dev_sent_emo\.csv; expected it beside dev_splits_complete/"
    ):
        read_corpus("meld", write({"train_sent_emo.csv": HEADER + ROW}))


def test_the_real_label_files_give_the_official_counts(shared):
    corpus = read_corpus("meld", shared("meld"))
    assert Counter(clip.split for clip in corpus.clips) == {
        "train": 9989,
        "valid": 1109,
        "test": 2610,
    }
    test = Counter(clip.labels["multimodal"] for clip in corpus.clips if clip.split == "test")
    assert test == {
        "neutral": 1256, "joy": 402, "anger": 345, "surprise": 281, "sadness": 208, "disgust": 68,
        "fear": 50,
    }  # fmt: skip
    assert all(clip.text for clip in corpus.clips)
    assert corpus.clips[1].text == "You must’ve had your hands full."
    assert (
        sum(
            name in corpus.notes[0]
            for name in ("dia125_utt3", "dia110_utt7", "dia38_utt4", "dia220_utt0")
        )
        == 4
    )
