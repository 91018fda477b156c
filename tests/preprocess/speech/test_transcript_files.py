"""Transcripts of other programs: their words and times, and errors with the line."""

import json

import pytest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.speech.transcript_files import read_transcript

SRT = """1
00:00:01,000 --> 00:00:03,000
<i>Hello</i> there

2
00:01:02,5 --> 00:01:04,000 align:start
{\\an8}Tom &amp; Ann
"""
VTT = """WEBVTT

NOTE made by hand

intro
00:01.000 --> 00:03.000
<v Anna>Hello there

1:00:02.500 --> 1:00:04.000
Tom &amp; <00:03.000>Ann
"""


def texts(transcript):
    return [word.text for word in transcript.words]


@pytest.mark.parametrize(
    ("name", "content", "last_start_s"), [("a.srt", SRT, 62.5), ("a.vtt", VTT, 3602.5)]
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_subtitles_are_read_without_their_marks(tmp_path, name, content, last_start_s, encoding):
    path = tmp_path / name
    path.write_bytes(content.replace("\n", "\r\n").encode(encoding))
    transcript = read_transcript(path)
    assert texts(transcript) == ["Hello", "there", "Tom", "&", "Ann"]
    assert transcript.words[0].start_s == 1.0
    assert transcript.words[1].end_s == pytest.approx(3.0)
    assert transcript.words[2].start_s == last_start_s
    assert "not of words" in transcript.note


def test_whisper_json_has_times_of_words_or_of_lines(tmp_path):
    words = [{"word": " so", "start": 0.1, "end": 0.5}, {"word": " it", "start": 0.6, "end": 0.9}]
    timed = {"start": 0, "end": 2, "text": " so it", "words": words}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"segments": [timed]}))
    transcript = read_transcript(path)
    assert [(word.text, word.start_s) for word in transcript.words] == [("so", 0.1), ("it", 0.6)]
    assert transcript.note == ""
    path.write_text(json.dumps({"segments": [timed, {"start": 2, "end": 4, "text": "is done"}]}))
    transcript = read_transcript(path)
    assert texts(transcript) == ["so", "it", "is", "done"]
    assert "not of words" in transcript.note


def test_a_text_file_has_no_times(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("so\nit is")
    transcript = read_transcript(path)
    assert (transcript.text, transcript.words) == ("so it is", ())
    assert "estimated" in transcript.note


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.srt", "1\n00:01 -> 00:02\nx", "no cue"),
        ("a.srt", "1\nnow --> then\nx", r"line 2: 'now --> then' is no pair of times"),
        ("a.srt", "1\n00:00:04,000 --> 00:00:01,000\nx", "line 2: the cue ends before it begins"),
        ("a.json", '{"segments": 3}', "no transcript of Whisper"),
        ("a.json", '{"segments": [{"text": "x"}]}', "KeyError: 'start'"),
        ("a.json", "[" * 100_000, "no transcript of Whisper"),
        ("a.docx", "x", r"expected .srt, .vtt, .json, .txt"),
    ],
)
def test_a_wrong_transcript_is_refused_with_its_reason(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(CorpusError, match=message):
        read_transcript(path)
