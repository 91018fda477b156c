"""Counters of transport streams: a join is no damage, a lost packet is."""

import pytest

from semanticmac.preprocess.decoding.ts_packets import PACKET_BYTES, ends_inside_packet

from .conftest import Studio, decode

H264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", 10)


@pytest.mark.parametrize("suffix", ["ts", "mts"])
def test_a_joined_stream_has_no_damage(studio: Studio, suffix: str):
    first = studio.film(f"first.{suffix}", *H264)
    second = studio.film(f"second.{suffix}", *H264, "-output_ts_offset", 2)
    joined = studio.folder / f"joined-two.{suffix}"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    raw = decode(joined)
    assert raw.notes == ("no audio track",)
    assert raw.duration_s == pytest.approx(4.0, abs=0.05)


def test_a_lost_packet_is_damage(studio: Studio):
    noise = "testsrc2=s=160x120:r=20:d=2,noise=alls=20:allf=t:all_seed=1"
    studio.run("-f", "lavfi", "-i", noise, *H264, "-g", 5, "lossy.ts")
    data = (studio.folder / "lossy.ts").read_bytes()
    middle = len(data) // 2 // PACKET_BYTES * PACKET_BYTES
    hurt = studio.folder / "lost.ts"
    hurt.write_bytes(data[:middle] + data[middle + PACKET_BYTES :])
    assert any("damaged or missing" in note for note in decode(hurt).notes)


def test_a_stream_that_ends_inside_a_packet(studio: Studio):
    film = studio.film("ends.ts", *H264)
    assert not ends_inside_packet(film, film.stat().st_size)
    cut = studio.folder / "ends-cut.ts"
    cut.write_bytes(film.read_bytes()[:-50])
    assert ends_inside_packet(cut, cut.stat().st_size)
