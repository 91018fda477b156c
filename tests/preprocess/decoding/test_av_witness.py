"""VP8 data that end early, and other damage that FFmpeg's decoders give no complaint of."""

import av
import numpy as np
import pytest

from semanticmac.preprocess.clip import DecodeError

from .conftest import Studio, decode, numbers

VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-auto-alt-ref", 0)


def test_vp8_data_that_end_early_are_named(studio: Studio):
    noise = "testsrc2=s=64x48:r=25:d=1,noise=alls=20:allf=t:all_seed=1"
    studio.run("-f", "lavfi", "-i", noise, *VP8, "-g", 100, "early.webm")
    film = studio.folder / "early.webm"
    assert decode(film).notes == ("no audio track",)
    with av.open(str(film)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    dice = np.random.default_rng(0)
    data = film.read_bytes()
    for trial in range(6):
        at = data.index(packets[4]) + 12
        hurt = bytearray(data)
        hurt[at : at + 40] = dice.bytes(40)
        path = film.with_name(f"early-{trial}.webm")
        path.write_bytes(hurt)
        with pytest.raises(DecodeError, match="the file is damaged in the middle"):
            decode(path)


def test_a_time_stamp_out_of_order_is_named(studio: Studio):
    film = studio.film("order.webm", *VP8, count=30)
    with av.open(str(film)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data = bytearray(film.read_bytes())
    at = data.index(packets[6])
    # A simple block: track, two bytes of time, flags, frame.
    assert int.from_bytes(data[at - 3 : at - 1]) == 240
    data[at - 3 : at - 1] = (640).to_bytes(2)
    film.write_bytes(data)
    assert any("time stamps of frames are out of order" in note for note in decode(film).notes)


def test_a_display_matrix_that_is_no_quarter_turn_is_named(studio: Studio):
    film = studio.film("matrix.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264")
    data = bytearray(film.read_bytes())
    identity = b"".join(value.to_bytes(4) for value in (65536, 0, 0, 0, 65536))
    at = data.index(identity, data.index(b"tkhd"))
    data[at + 4 : at + 8] = (65000).to_bytes(4)
    hurt = film.with_name("matrix-hurt.mp4")
    hurt.write_bytes(data)
    raw = decode(hurt)
    assert any("by no quarter of a circle" in note for note in raw.notes)
    assert numbers(raw) == [0, 12, 25, 37]
