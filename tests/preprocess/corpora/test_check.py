"""Is a download whole? What a check reports, and what makes it incomplete."""

from pathlib import Path

import pytest
from support.unreadable import make_unreadable

from semanticmac.preprocess.corpora import NAMES, Options, read_corpus
from semanticmac.preprocess.corpora import check as check_module
from semanticmac.preprocess.corpora.cards import CARDS, CorpusCard
from semanticmac.preprocess.corpora.check import check_corpus

PAGES = Path(__file__).resolve().parents[3] / "docs" / "datasets"
PAGE_OF = {
    "mosei-emotion": "mosei",
    "simsv2": "sims",
    "iemocap-dimensions": "iemocap",
    **dict.fromkeys(("m3ed", "cherma", "emotiontalk", "mer2023"), "more"),
    **dict.fromkeys(("cremad", "ravdess"), "more"),
}  # one page a family
ROWS = "v0,1,a,0.2,train\nv0,2,,-1,test\nv1,1,c,0.4,valid\n"
SIMS = {"label.csv": "video_id,clip_id,text,label,mode\n" + ROWS}
FILES = {f"Raw/{name}.mp4": b"" for name in ("v0/1", "v0/2", "v1/1")}


@pytest.fixture
def small_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card of CH-SIMS whose official counts are those of the miniature."""
    card = CorpusCard(
        "sims",
        "SIMS",
        "sentiment",
        (1, 1, 1),
        (1, 1, 2),
        "here",
        "none",
        "label.csv",
        "of another release",
    )
    monkeypatch.setattr(check_module, "CARDS", {"sims": card})


def findings(report: check_module.CheckReport) -> dict[str, str]:
    return {finding.kind: finding.message for finding in report.findings}


def test_a_whole_corpus_is_complete_and_says_what_to_know(write, small_card):
    report = check_corpus("sims", write(SIMS | FILES))
    assert report.complete
    assert report.counts == {"train": 1, "valid": 1, "test": 1}
    assert report.labels == "-1 … 0.4 of -1 … 1, mean -0.133"
    found = findings(report)
    assert found["counts"] == "1 / 1 / 1 clips, in the paper 1 / 1 / 2; of another release"
    assert found["empty-text"] == "1 of 3 clips have no text: v0_2"
    assert found["shared-source"].startswith("1 of 2 source videos are in more than one split: v0.")
    assert set(found) == {"counts", "empty-text", "shared-source"}


def test_by_video_no_source_is_shared(write, small_card):
    report = check_corpus("sims", write(SIMS | FILES), Options(split_by="video"))
    assert "shared-source" not in findings(report)


def test_a_missing_file_makes_it_incomplete_and_is_named(write, small_card):
    root = write(SIMS | {"Raw/v0/1.mp4": b"", "Raw/v1/1.mp4": b""})
    report = check_corpus("sims", root)
    assert not report.complete
    (missing,) = [finding for finding in report.findings if finding.kind == "missing"]
    assert missing.ids == ("v0_2",)
    assert missing.message == f"1 of 3 clips have no file: {root / 'Raw/v0/2.mp4'}"


def test_a_file_without_a_label_is_told_and_harmless(write, small_card):
    report = check_corpus("sims", write(SIMS | FILES | {"Raw/v2/9.mp4": b"", "Raw/._v0.mp4": b""}))
    assert report.complete
    assert "1 files below" in findings(report)["unlabelled-file"]
    assert "Raw/v2/9.mp4" in findings(report)["unlabelled-file"]


def test_other_counts_than_the_official_ones_make_it_incomplete(write):
    report = check_corpus("sims", write(SIMS | FILES))
    assert not report.complete
    messages = [finding.message for finding in report.findings if finding.kind == "counts"]
    assert messages[0] == "1 / 1 / 1 clips (train / valid / test), officially 1368 / 456 / 457"


def test_but_not_where_an_option_asked_for_them(write):
    root = write(SIMS | FILES | {"out.csv": "clip_id\nv0_2\n"})
    report = check_corpus("sims", root, Options(exclude=root / "out.csv"))
    assert report.complete
    assert any(
        "officially 1368 / 456 / 457 (the list was changed by an option)" in f.message
        for f in report.findings
    )


def test_a_split_without_a_label_and_a_class_without_training_are_problems(write):
    rows = "file,label,label_text,split\na.mp4,sad,,train\nb.mp4,glad,,test\n"
    rows += "c.mp4,,sad,train\nd.mp4,sad,,valid\n"
    report = check_corpus(
        "folder", write({f"{name}.mp4": b"" for name in "abcd"} | {"clips.csv": rows})
    )
    assert not report.complete
    assert report.card is None
    assert findings(report)["unlabelled"] == "1 clip has a split but no label: c"
    assert findings(report)["absent-class"] == "no training clip is glad"
    assert report.labels == "glad 1, sad 2"


def test_a_corpus_that_cannot_be_read_is_a_finding(write):
    report = check_corpus("sims", write({"label.csv": SIMS["label.csv"] + "v0,1,a,0,train\n"}))
    assert not report.complete
    assert (
        "line 5: the clip id 'v0_1' appears twice; it is also in line 2"
        in findings(report)["unreadable"]
    )


def test_what_is_broken_in_every_download_of_meld_does_not_count_as_missing(write):
    header = "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,StartTime,EndTime\n"
    row = 'Hi,Ann,joy,{},{},"00:00:01,000","00:00:02,000"\n'
    tables = {f"{part}_sent_emo.csv": header + row.format(0, 0) for part in ("train", "test")}
    files = {"train_splits/dia0_utt0.mp4": b"", "output_repeated_splits_test/dia0_utt0.mp4": b""}
    report = check_corpus(
        "meld", write(tables | files | {"dev_sent_emo.csv": header + row.format(110, 7)})
    )
    assert "missing" not in findings(report)
    found = findings(report)["known-bad"]
    assert (
        found == "known to be broken in the download: valid_dia110_utt7 "
        "(the video file is not in the download)"
    )


@pytest.mark.parametrize("name", ["sims", "meld", "folder"])
def test_what_a_finding_says_no_note_says_again(write, small_card, name):
    header = "Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,StartTime,EndTime\n"
    rows = "".join(
        f'Hi,Ann,joy,{place},"00:00:01,000","00:00:02,000"\n' for place in ("125,3", "125,4")
    )
    files = {
        "sims": SIMS,
        "meld": {f"{part}_sent_emo.csv": header + rows for part in ("train", "dev", "test")},
        "folder": {"clips.csv": "file,label\na.mp4,1.5\nz.mp4,-1\n"},
    }
    root = write(files[name])
    report = check_corpus(name, root)
    notes = read_corpus(name, root).notes
    clips = sum(report.counts.values())
    assert findings(report)["missing"].startswith(f"{clips} of {clips} clips have no file")
    said = [
        note for note in notes if "video files are missing" in note or "known to be broken" in note
    ]
    assert len(said) == 1 + ("known-bad" in findings(report)) and said[-1].startswith(
        f"{clips} of {clips} "
    )
    assert set(report.notes) == set(notes) - set(said)


def test_the_real_label_files_without_their_videos_are_incomplete(shared):
    report = check_corpus("meld", shared("meld"))
    assert not report.complete
    assert [finding.kind for finding in report.findings if finding.problem] == ["missing"]
    assert report.labels.startswith("neutral 6436, surprise 1636")


def test_every_public_corpus_has_a_card():
    assert set(CARDS) == set(NAMES) - {"demo", "folder"}


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_the_pages_tell_the_counts_of_the_card(card):
    page = PAGES / f"{PAGE_OF.get(card.name, card.name)}.md"
    counts = [" / ".join(map(str, known)) for known in (card.official, card.paper) if known]
    text = page.read_text(encoding="utf-8")
    assert [known for known in counts if known not in text] == []
    row = next(
        line
        for line in (PAGES / "README.md").read_text(encoding="utf-8").splitlines()
        if f"`{card.name}`" in line
    )
    assert all(known in row for known in counts[-1:])
    assert f"({page.name})" in row


def test_a_subfolder_that_cannot_be_read_is_a_problem_and_nothing_else(write, monkeypatch):
    root = write({"a.mp4": b"", "a.txt": b"Hello", "locked/b.mp4": b"", "notes": b""})
    make_unreadable(root / "locked", monkeypatch)
    report = check_corpus("folder", root)
    kinds = [finding.kind for finding in report.findings if finding.problem]
    assert kinds == ["unusable"]
    assert "unlabelled-file" not in [finding.kind for finding in report.findings]
