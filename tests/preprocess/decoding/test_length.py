"""The length of a file is known from its header, else from its packets."""

from __future__ import annotations

import pytest

from semanticmac.preprocess.decoding.length import MediaLength, media_length, media_lengths


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mpg"])
def test_the_length_of_a_film(film, tmp_path, name):
    length = media_length(film(tmp_path / name, 3.0))
    assert length.seconds == pytest.approx(3.0, abs=0.15) and length.has_audio


def test_a_film_without_a_length_in_its_header(film, tmp_path):
    # A live Matroska file is written without knowing how long it will be.
    path = film(tmp_path / "a.mkv", 3.0, extra=("-live", "1"))
    assert media_length(path).seconds == pytest.approx(3.0, abs=0.15)


def test_a_film_without_audio(film, tmp_path):
    assert media_length(film(tmp_path / "a.mp4", 2.0, sound=False)) == MediaLength(2.0, False)


def test_files_that_cannot_be_opened_are_left_out(film, tmp_path):
    good, bad = film(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    bad.write_bytes(b"no film")
    assert list(media_lengths([good, bad, good], 1)) == [good]
