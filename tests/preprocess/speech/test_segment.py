"""Many recordings: failures are counted, a stopped call goes on, and the table is read again."""

import csv

import numpy as np
import pytest

from semanticmac.preprocess.clip import CorpusError, DecodeError
from semanticmac.preprocess.corpora import folder
from semanticmac.preprocess.speech import segment
from semanticmac.preprocess.speech.activity import EnergyActivity
from semanticmac.preprocess.speech.recording import Recording, Utterance
from semanticmac.preprocess.speech.segment import SegmentOptions, segment_files
from semanticmac.preprocess.speech.spans import SpanLimits

OPTIONS = SegmentOptions(EnergyActivity(), SpanLimits())
TEXTS = ("", "=1+1", '- so, "it" is', "@home")


def no_progress(*_: object) -> None:
    pass


@pytest.fixture
def videos(tmp_path):
    paths = [tmp_path / name for name in ("a.mp4", "deep/b.mp4", "c.mp4")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return paths


@pytest.fixture
def heard(monkeypatch):
    """The files that were segmented; c.mp4 cannot be."""
    calls = []

    def fake(path, *_, **__):
        calls.append(path.name)
        if path.name == "c.mp4":
            raise DecodeError("nobody speaks")
        utterances = [
            Utterance(float(index), index + 1.0, text, "ann") for index, text in enumerate(TEXTS)
        ]
        return Recording(4.0, tuple(utterances), ("a note",))

    monkeypatch.setattr(segment, "segment_recording", fake)
    return calls


def test_the_table_is_a_corpus_with_the_same_texts(videos, heard, tmp_path):
    table = tmp_path / "clips.csv"
    report = segment_files(videos, table, OPTIONS, no_progress)
    assert (report.utterances, report.resumed) == (8, 0)
    assert [(failure.clip_id, failure.reason) for failure in report.failures] == [
        ("c.mp4", "nobody speaks")
    ]
    corpus = folder.read(tmp_path)
    assert [clip.text for clip in corpus.clips] == [*TEXTS, *TEXTS]
    assert corpus.clips[4].video == tmp_path / "deep/b.mp4"
    assert corpus.clips[4].clip_id == "deep/b#0001"
    assert {(clip.dialogue, clip.speaker) for clip in corpus.clips} == {
        ("a", "ann"),
        ("deep/b", "ann"),
    }
    assert [clip.position for clip in corpus.clips] == [0, 1, 2, 3] * 2
    with table.open(newline="") as file:
        cells = [row["text"] for row in csv.DictReader(file)]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_a_stopped_call_goes_on_after_the_finished_files(videos, heard, tmp_path, monkeypatch):
    table = tmp_path / "clips.csv"

    def stop_at_c(stage, done, total, failed):
        if stage == "recordings" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_files(videos, table, OPTIONS, stop_at_c)
    assert not table.exists()
    kept = tmp_path / ".clips.csv.unfinished"
    kept.write_bytes(kept.read_bytes()[:-9])  # killed while it wrote the second file
    report = segment_files(videos, table, OPTIONS, no_progress)
    assert heard == ["a.mp4", "b.mp4", "b.mp4", "c.mp4"]
    assert report.resumed == 1
    assert not kept.exists()
    straight = tmp_path / "straight.csv"
    segment_files(videos, straight, OPTIONS, no_progress)
    assert straight.read_bytes() == table.read_bytes()


def test_what_was_made_with_other_options_or_files_is_made_again(videos, heard, tmp_path):
    table = tmp_path / "clips.csv"

    def stop(stage, *_):
        if stage == "recordings":
            raise KeyboardInterrupt

    def stopped(options):
        with pytest.raises(KeyboardInterrupt):
            segment_files(videos, table, options, stop)

    stopped(OPTIONS)
    stopped(SegmentOptions(EnergyActivity(), SpanLimits(max_s=5)))
    videos[0].write_bytes(b"longer")
    stopped(OPTIONS)
    stopped(OPTIONS)
    assert heard == ["a.mp4"] * 3


def test_a_video_outside_the_folder_of_the_table_is_refused(videos, tmp_path):
    with pytest.raises(CorpusError, match="names only files in its own folder"):
        segment_files(videos, tmp_path / "deep" / "clips.csv", OPTIONS, no_progress)


def test_the_recogniser_is_loaded_once_and_only_if_it_is_needed(videos, heard, tmp_path):
    opened = []

    def open_recogniser():
        opened.append(1)
        return np

    options = SegmentOptions(EnergyActivity(), SpanLimits(), open_recogniser)
    segment_files(videos, tmp_path / "clips.csv", options, no_progress)
    assert opened == [1]
