"""The command segment: what it refuses, what it writes, and that the table can be cached."""

import pytest
from support.program import semanticmac


@pytest.fixture
def interview(tmp_path, shared_data):
    path = tmp_path / "lbax4n.mpg"
    path.write_bytes((shared_data / "grid" / path.name).read_bytes())
    return path


def test_segment_then_cache(interview, tmp_path):
    (tmp_path / "words").mkdir()
    cue = "1\n00:00:00,300 --> 00:00:02,200\nlay blue at x four now\n"
    (tmp_path / "words" / "lbax4n.srt").write_text(cue)
    answer = semanticmac(
        tmp_path, "segment", interview.name, "--activity", "energy", "--transcripts", "words"
    )
    assert "utterances by energy above the noise floor" in answer.stdout
    assert "1 utterances in clips.csv" in answer.stdout or "1 utterance in" in answer.stdout
    assert "lbax4n.srt has the times of lines, not of words" in answer.stderr
    header, row = (tmp_path / "clips.csv").read_text().splitlines()
    assert header == "clip_id,file,start_s,end_s,speaker,text,dialogue_id,position"
    assert row.startswith("lbax4n#0001,lbax4n.mpg,0.")
    assert row.endswith(",lay blue at x four now,lbax4n,0")

    again = semanticmac(tmp_path, "segment", interview.name, expect=2)
    assert "it may hold your corrections" in again.stderr
    semanticmac(
        tmp_path, "cache", "folder", "--root", ".", "--encoder", "imagebind-tiny", "--workers", 1
    )
    shown = semanticmac(tmp_path, "inspect")
    assert "folder" in shown.stdout


def test_a_text_that_nobody_wrote_is_a_note(interview, tmp_path):
    answer = semanticmac(tmp_path, "segment", interview.name, "--activity", "energy")
    assert "the column text is empty" in answer.stderr


def test_a_text_beside_the_recording_is_read(interview, tmp_path):
    (tmp_path / "lbax4n.txt").write_text("lay blue at x four now\n")
    answer = semanticmac(tmp_path, "segment", interview.name, "--activity", "energy")
    assert "the transcript was read from lbax4n.txt" in answer.stderr
    assert "those of its words are estimated" in answer.stderr
    assert "the column text is empty" not in answer.stderr
    assert ",lay blue at x four now," in (tmp_path / "clips.csv").read_text()


def test_a_file_without_voices_fails_and_the_exit_code_says_so(interview, tmp_path, film):
    film(tmp_path / "mute.mp4", sound=False)
    answer = semanticmac(tmp_path, "segment", ".", "--activity", "energy", expect=3)
    assert "no audio track" in answer.stdout
    assert "mute.mp4" in answer.stdout
    assert "lbax4n.mpg" in (tmp_path / "clips.csv").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.mp4", "--activity", "music"], "expected auto, silero or energy"),
        (["a.mp4", "--language", "en"], "--language needs --asr"),
        (["a.mp4", "--min-s", "9"], "at least twice the shortest"),
        (["b.mp4"], "there is no such file or folder"),
        (["empty"], "contains no video and no audio file"),
        (["a.mp4", "c.mp4", "--transcripts", "a.srt"], "is the transcript of one file"),
        (["a.mp4", "--transcripts", "empty"], "holds no transcript for any of the 1 files"),
        (["a.mp4", "--speakers", "a.rttm"], "names the recordings z"),
    ],
)
def test_wrong_words_are_answered_before_anything_is_read(tmp_path, words, message):
    for name in ("a.mp4", "c.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "a.srt").write_text("00:01.0 --> 00:02.0\nx\n")
    (tmp_path / "a.rttm").write_text("SPEAKER z 1 0 1 <NA> <NA> ann <NA> <NA>\n")
    (tmp_path / "empty").mkdir()
    answer = semanticmac(tmp_path, "segment", *words, expect=2)
    assert message in " ".join(answer.stderr.split())
    assert not (tmp_path / "clips.csv").exists()


def test_a_whisper_model_that_cannot_be_loaded_is_one_message(interview, tmp_path):
    pytest.importorskip("faster_whisper")
    answer = semanticmac(tmp_path, "segment", interview.name, "--asr", "no-such-folder", expect=2)
    assert "the Whisper model 'no-such-folder' cannot be loaded" in answer.stderr
    assert "Traceback" not in answer.stderr
