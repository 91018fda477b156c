"""The film of benchmarks.timeline: the list of files that ffmpeg joins."""

from pathlib import Path

from benchmarks.timeline import _concat_line


def test_a_quote_in_a_name_is_escaped():
    assert _concat_line(Path("/clips/it's.mp4")) == "file '/clips/it'\\''s.mp4'\n"
