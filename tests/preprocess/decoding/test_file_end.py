"""Files that end before their container says."""

import pytest

from semanticmac.preprocess.decoding.file_end import ends_early

from .conftest import Studio, decode

KINDS = {
    "end.avi": ("-c:v", "mpeg4", "-c:a", "pcm_s16le"),
    "end.mkv": (),
    "end.webm": ("-c:v", "libvpx", "-deadline", "realtime"),
    "end.mp4": ("-movflags", "+faststart"),
    "end.wmv": (),
    "end.ts": (),
    "end.ogv": ("-c:v", "libtheora"),
    "end.wav": ("-map", "1"),
    "end.mka": ("-map", "1"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_lost_its_end_gets_a_remark(studio: Studio, name: str):
    film = studio.film(name, *KINDS[name], count=100, sound="sine=440:d=4")
    assert not ends_early(film)
    assert not any("truncated" in note for note in decode(film).notes)
    cut = film.with_name("cut-" + name)
    cut.write_bytes(film.read_bytes()[:-600])
    assert ends_early(cut)
    assert any("it is truncated" in note for note in decode(cut).notes)
