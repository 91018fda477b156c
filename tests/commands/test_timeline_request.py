"""The options of time lines that do not fit are refused before anything is loaded."""

from __future__ import annotations

import sys

import pytest
from support.program import semanticmac

RUN = "small"


@pytest.fixture
def folder(tmp_path, small_run):
    (tmp_path / "runs").symlink_to(small_run[0])
    (tmp_path / "a.mp4").write_bytes(b"no film")
    (tmp_path / "b.mp4").write_bytes(b"no film")
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    (tmp_path / "file").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.mp4", "--video", "youtube"], "expected link, embed, none"),
        (["a.mp4", "--activity", "music"], "expected auto, silero or energy"),
        (["a.mp4", "--language", "de"], "--language needs --asr"),
        (["a.mp4", "--no-timeline", "--asr", "small"], "--asr is for time lines"),
        (["a.mp4", "--no-timeline", "--transcripts", "a.srt"], "--transcripts is for time lines"),
        (["a.mp4", "--text", "hi", "--transcripts", "a.srt"], "--text and --transcripts"),
        (["a.mp4", "--pages", "file"], "--pages file is a file: give a folder"),
        (["a.mp4", "--timeline", "--pages", "file/new"], "give --pages another folder"),
        (["a.mp4", "b.mp4", "--transcripts", "a.srt"], "is the transcript of one file"),
        (["a.mp4", "--transcripts", "b.srt"], "b.srt"),
        (["a.mp4", "--speakers", "a.srt"], "has no line that begins with SPEAKER"),
    ],
)
def test_refused(folder, words, message, monkeypatch) -> None:
    # Whatever loads a model fails the test.
    monkeypatch.setitem(sys.modules, "semanticmac.commands.predict_timelines", None)
    assert message in semanticmac(folder, "predict", *words, expect=2).stderr
    assert not (folder / "timelines").exists()
