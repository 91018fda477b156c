"""The files of a time line: how the page finds the video, and what is read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from semanticmac.core import Task
from semanticmac.eval.timeline import Moment, Timeline
from semanticmac.timeline.files import NO_PAGE, TimelineFiles


def timeline(video: Path) -> Timeline:
    moments = (Moment(0.0, 1.0, remarks=("damaged",)),)
    return Timeline(str(video), 2.0, Task("regression"), ("text",), "r", "d", moments, (), "key")


@pytest.mark.parametrize("video", ["link", "embed", "none"])
def test_the_page_finds_the_video(film, tmp_path, video) -> None:
    path = film(tmp_path / "my film #1 ü.mp4")
    files = TimelineFiles(tmp_path / "pages", "film")
    assert files.write(timeline(path), video) == ()
    page = files.page.read_text()
    assert ('src="../my%20film%20%231%20%C3%BC.mp4"' in page) == (video == "link")
    assert ('data-type="video/mp4"' in page) == (video == "embed")
    assert ("<video" in page) == (video != "none")
    assert files.read() == timeline(path)


def test_a_video_that_cannot_be_embedded_is_said(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no film")
    files = TimelineFiles(tmp_path, "a")
    [remark] = files.write(timeline(path), "embed")
    assert "the page has no video: ffmpeg cannot make a small copy of it" in remark
    assert "<video" not in files.page.read_text()


def test_without_jinja_there_is_no_page(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("semanticmac.timeline.files.find_spec", lambda name: None)
    files = TimelineFiles(tmp_path, "a")
    assert files.write(timeline(tmp_path / "a.mp4"), "link") == (NO_PAGE,)
    assert not files.page.exists() and files.table.exists() and files.read() is not None


def test_another_file_of_that_name_is_no_time_line(tmp_path) -> None:
    files = TimelineFiles(tmp_path, "a")
    files.json.write_text('{"my": "data"}')
    assert files.read() is None
