"""IEMOCAP: two actors in a picture, six classes, dialogue order, session 5 as test."""

from collections import Counter

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus

HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
VOTE = "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"


def dialogue(session: int, name: str, labels: list[str]) -> dict[str, str | bytes]:
    """The label file (latest line first), the transcript and the video of one dialogue."""
    stem = f"Ses0{session}{name}"
    lines, texts = [], []
    for i, label in enumerate(labels):
        utterance = f"{stem}_{'FM'[i % 2]}{i // 2:03d}"
        lines.append(
            f"[{i * 2 + 0.25:.4f} - {i * 2 + 1.75:.4f}]\t{utterance}\t{label}\t"
            f"[2.5000, 2.5000, 2.5000]\n{VOTE}"
        )
        texts.append(f"{utterance} [{i * 2 + 0.25:08.4f}-{i * 2 + 1.75:08.4f}]: Line {i}: yes.\n")
    folder = f"Session{session}/dialog"
    return {
        f"{folder}/EmoEvaluation/{stem}.txt": HEAD + "".join(reversed(lines)),
        f"{folder}/EmoEvaluation/._{stem}.txt": b"\x00\x05\x16\x07",
        f"{folder}/EmoEvaluation/Categorical/{stem}_e1_cat.txt": (
            "Ses01F_impro01_F000 :Neutral state; ()\n"
        ),
        f"{folder}/transcriptions/{stem}.txt": "".join(texts) + "M: between the lines\n",
        f"{folder}/avi/DivX/{stem}.avi": b"",
    }


def corpus_files() -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {}
    for session in range(1, 6):
        files |= dialogue(session, "F_impro01", ["hap", "sad", "xxx", "neu"])
        files |= dialogue(session, "M_script01_1b", ["ang", "exc", "fru", "oth", "sur"])
    return files


def test_six_classes_in_dialogue_order(write):
    root = write(corpus_files())
    corpus = read_corpus("iemocap", root)
    assert len(corpus.clips) == 30
    first = [clip for clip in corpus.clips if clip.dialogue == "Ses01F_impro01"]
    assert [clip.clip_id[-4:] for clip in first] == ["F000", "M000", "M001"]
    assert [clip.position for clip in first] == [0, 1, 2]
    assert [clip.labels["multimodal"] for clip in first] == ["hap", "sad", "neu"]
    assert (first[1].start_s, first[1].end_s, first[1].text) == (2.25, 3.75, "Line 1: yes.")
    assert first[0].video == root / "Session1/dialog/avi/DivX/Ses01F_impro01.avi"
    assert any(
        "15 utterances of other classes are left out: 5 oth, 5 sur, 5 xxx" in note
        for note in corpus.notes
    )


def test_the_left_half_is_the_actor_whose_letter_the_dialogue_bears(write):
    clips = {clip.clip_id: clip for clip in read_corpus("iemocap", write(corpus_files())).clips}
    assert clips["Ses01F_impro01_F000"].crop == "left"
    assert clips["Ses01F_impro01_M000"].crop == "right"
    assert clips["Ses01M_script01_1b_F000"].crop == "right"
    assert clips["Ses01M_script01_1b_M000"].crop == "left"
    assert (
        clips["Ses01M_script01_1b_M000"].speaker == clips["Ses01F_impro01_M000"].speaker == "Ses01M"
    )


def test_session_five_is_test_and_valid_is_whole_dialogues_of_the_others(write):
    corpus = read_corpus("iemocap", write(corpus_files()))
    assert {clip.dialogue[:5] for clip in corpus.clips if clip.split == "test"} == {"Ses05"}
    split_of = {(clip.dialogue, clip.split) for clip in corpus.clips}
    assert len(split_of) == 10
    assert Counter(split for _, split in split_of) == {"train": 7, "valid": 1, "test": 2}


def test_an_utterance_without_a_transcript_is_kept_and_noted(write):
    root = write(
        corpus_files() | {"Session2/dialog/transcriptions/Ses02F_impro01.txt": "nothing\n"}
    )
    corpus = read_corpus("iemocap", root)
    assert sum(not clip.text for clip in corpus.clips) == 3
    assert any(
        "3 utterances have no line in dialog/transcriptions" in note for note in corpus.notes
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "[1.0 - 0.5]\tSes01F_x_F000\thap\t[1, 1, 1]\n",
            r"Ses01F_x\.txt, line 1: the utterance runs from 1\.0 s to 0\.5 s",
        ),
        (
            "[a - 0.5]\tSes01F_x_F000\thap\t[1, 1, 1]\n",
            r"Ses01F_x\.txt, line 1: the start is 'a ', expected a number",
        ),
        (
            "[0 - 1]\tSes02F_x_F000\thap\t[1, 1, 1]\n",
            r"line 1: the utterance 'Ses02F_x_F000' is not one of the dialogue",
        ),
        (
            "[0 - 1]\tSes01F_x_F000\thap\t[\n" * 2,
            r"line 2: the utterance Ses01F_x_F000 appears twice",
        ),
        (
            "hap\n",
            r"Ses01F_x\.txt: no line `\[start - end\]<tab>utterance<tab>label<tab>\[V, A, D\]`",
        ),
    ],
)
def test_a_wrong_label_file_names_file_and_line(write, line, message):
    with pytest.raises(CorpusError, match=message):
        read_corpus(
            "iemocap", write(corpus_files() | {"Session1/dialog/EmoEvaluation/Ses01F_x.txt": line})
        )


def test_half_a_download_says_what_is_absent(write):
    with pytest.raises(
        CorpusError, match=r"no Session1 in .*; expected Session1 … Session5, as downloaded"
    ):
        read_corpus("iemocap", write({"a.txt": ""}))
    with pytest.raises(
        CorpusError,
        match=r"lacks Session2/dialog, Session3/dialog, Session4/dialog, Session5/dialog",
    ):
        read_corpus("iemocap", write(dialogue(1, "F_impro01", ["hap"])))


def test_dimensions_are_read_from_the_same_lines_for_every_utterance(write):
    corpus = read_corpus("iemocap-dimensions", write(corpus_files()))
    assert corpus.name == "iemocap-dimensions" and corpus.task is not None
    assert corpus.task.names == ("valence", "arousal", "dominance")
    assert {(each.low, each.high) for each in corpus.task.dimensions} == {(1.0, 5.0)}
    assert len(corpus.clips) == 45  # those of other classes too
    assert {clip.labels["multimodal"] for clip in corpus.clips} == {(2.5, 2.5, 2.5)}
    assert not any("left out" in note or "outside" in note for note in corpus.notes)
    splits = {clip.dialogue: clip.split for clip in corpus.clips}
    six_classes = read_corpus("iemocap", write(corpus_files()))
    assert splits == {clip.dialogue: clip.split for clip in six_classes.clips}


def test_a_score_outside_its_scale_counts_as_not_annotated_and_is_noted(write):
    files = corpus_files()
    path = "Session2/dialog/EmoEvaluation/Ses02F_impro01.txt"
    files[path] = str(files[path]).replace(
        "[2.5000, 2.5000, 2.5000]", "[5.5000, 2.5000, 0.5000]", 1
    )
    corpus = read_corpus("iemocap-dimensions", write(files))
    [clip] = [clip for clip in corpus.clips if clip.labels["multimodal"] == (None, 2.5, None)]
    assert any(
        "1 utterance has a score outside 1 … 5, which counts as not annotated" in note
        and clip.clip_id in note
        for note in corpus.notes
    )


def test_scores_that_are_not_three_numbers_are_refused(write):
    files = corpus_files()
    path = "Session2/dialog/EmoEvaluation/Ses02F_impro01.txt"
    files[path] = str(files[path]).replace("[2.5000, 2.5000, 2.5000]", "[2.5000, 2.5000]", 1)
    with pytest.raises(CorpusError, match=r"line 3: the scores of Ses02F.* expected three numbers"):
        read_corpus("iemocap-dimensions", write(files))
    assert read_corpus("iemocap", write(files)).task is not None
