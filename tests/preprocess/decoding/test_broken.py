"""Files that cannot be decoded, each with its reason, and hostile names and files."""

import os
import re
from pathlib import Path

import av
import numpy as np
import pytest

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip, DecodeError
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding import ffmpeg_reader
from semanticmac.preprocess.decoding.decode import decode_clip
from semanticmac.preprocess.decoding.request import Limits

from .conftest import Studio, decode, numbers

H264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast")


def refused(path: Path, reason: str, *window: float | None) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode(path, *window)


def broken(talk: Path, name: str, keep: float, spoil: tuple[float, float] | None = None) -> Path:
    """The first part of a file, or a file with noise from one fraction of it to another."""
    data = np.frombuffer(talk.read_bytes(), np.uint8).copy()
    if spoil:
        first, last = (int(len(data) * part) for part in spoil)
        data[first:last] = np.random.default_rng(0).integers(0, 256, last - first)
    path = talk.with_name(name)
    path.write_bytes(data[: int(len(data) * keep)].tobytes())
    return path


def test_no_file_there(tmp_path: Path):
    refused(tmp_path / "gone.mp4", "cannot be opened: No such file or directory")
    refused(tmp_path / "nul\0.mp4", "cannot be opened: embedded null byte")
    refused(tmp_path, "the path is a folder")
    os.mkfifo(tmp_path / "pipe.mp4")
    refused(tmp_path / "pipe.mp4", "the path is a device or a pipe")


def test_nothing_in_it(tmp_path: Path):
    (tmp_path / "empty.mp4").touch()
    refused(tmp_path / "empty.mp4", r"the file is empty \(0 bytes\)")
    (tmp_path / "page.mp4").write_text("<html><body>404 Not Found</body></html>\n" * 40)
    refused(tmp_path / "page.mp4", "neither video nor sound that ffmpeg knows")
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(9000))
    refused(tmp_path / "noise.mp4", "neither video nor sound that ffmpeg knows")


def test_truncated_before_the_index(studio: Studio):
    film = studio.film("index-last.mp4", *H264)
    refused(broken(film, "no-index.mp4", 0.5), r"moov atom not found\): it is truncated")


@pytest.mark.parametrize("keep", [0.5, 0.8])
def test_truncated_in_the_middle(studio: Studio, talk: Path, keep: float):
    refused(
        broken(talk, "half.mp4", keep),
        r"only \d\.\d s of 10\.0 s could be read: the file is truncated",
    )
    container = studio.copy(talk, "talk.mkv")
    refused(
        broken(container, "half.mkv", keep),
        r"only \d\.\d s of 10\.0 s could be read: the file is truncated",
    )


def test_a_segment_before_the_break_is_whole(talk: Path):
    half = broken(talk, "half.mp4", 0.7)
    assert numbers(decode(half, 1.0, 3.0)) == [20, 30, 40, 50]
    refused(half, r"only \d\.\d s of 4\.0 s could be read: the file is truncated", 4.0, 8.0)


def test_truncated_sound(studio: Studio):
    studio.run("-f", "lavfi", "-i", "anoisesrc=d=10:r=16000", "noise.flac")
    refused(
        broken(studio.folder / "noise.flac", "half.flac", 0.5),
        r"only \d\.\d s of 10\.0 s could be read",
    )


@pytest.mark.parametrize("name", ["talk.mp4", "talk.mkv"])
def test_damaged_in_the_middle(studio: Studio, talk: Path, name: str):
    film = talk if name == "talk.mp4" else studio.copy(talk, name)
    refused(
        broken(film, f"noisy-{name}", 1.0, (0.4, 0.6)),
        r"only \d\.\d s of 10\.0 s could be read: the file is",
    )


def noisy_film(studio: Studio, name: str, key_every: int) -> Path:
    """4 s at 20 frames a second; noise makes large packets."""
    source = "testsrc2=s=160x120:r=20:d=4,noise=alls=20:allf=t:all_seed=1"
    codec = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", key_every)
    studio.run("-f", "lavfi", "-i", source, *codec, name)
    return studio.folder / name


@pytest.mark.parametrize("name", ["noisy.mp4", "noisy.mkv"])
def test_damage_that_the_codec_conceals_is_named(studio: Studio, name: str):
    film = noisy_film(studio, name, key_every=5)
    assert decode(film).notes == ("no audio track",)
    hurt = broken(film, f"hurt-{name}", 1.0, (0.226, 0.2275))
    for decoder in ("av", "decord", "ffmpeg"):
        *warnings, damage, _ = decode(hurt, decoder=decoder).notes
        assert re.fullmatch(r"0\.\d\d s of the pictures are damaged or missing", damage), decoder
        assert warnings == ([] if decoder == "av" else [ffmpeg_reader.DAMAGE_NOTE])
    assert decode(hurt, 2.5, 4.0).notes == ("no audio track",)  # after the next key frame


def test_damage_lasts_until_the_next_key_frame(studio: Studio):
    film = noisy_film(studio, "noisy-long.mp4", key_every=40)
    hurt = broken(film, "hurt-long.mp4", 1.0, (0.22, 0.2215))
    refused(hurt, r"only 3\.\d s of 4\.0 s could be read: the file is damaged in the middle")
    assert decode(hurt, 2.0, 4.0).notes == ("no audio track",)


def test_a_sound_frame_stays_for_damaged_ones(studio: Studio):
    film = noisy_film(studio, "noisy-short.mp4", key_every=5)
    every_frame = Sampling(frames_per_s=20, picture="png")
    whole = decode_clip(Clip("clip", film), every_frame).frames
    hurt = decode_clip(
        Clip("clip", broken(film, "hurt-short.mp4", 1.0, (0.226, 0.2275))), every_frame
    )
    assert any("damaged or missing" in note for note in hurt.notes)
    kept = [np.array_equal(frame, whole[k]) for k, frame in enumerate(hurt.frames)]
    first = kept.index(False)
    after = kept.index(True, first)
    assert all(kept[after:]) and after - first <= 10
    for frame in hurt.frames[first:after]:
        assert np.array_equal(frame, whole[first - 1])


@pytest.mark.parametrize("seed", range(4))
def test_an_mpeg4_film_whose_key_frame_is_destroyed_is_not_silently_wrong(
    studio: Studio, seed: int
):
    film = studio.film("key.avi", "-c:v", "mpeg4", "-g", 250, count=11)
    data = bytearray(film.read_bytes())
    start = data.index(b"00dc", data.index(b"movi")) + 8
    size = int.from_bytes(data[start - 4 : start], "little")
    data[start : start + size] = np.random.default_rng(seed).bytes(size)
    hurt = studio.folder / f"key-{seed}.avi"
    hurt.write_bytes(data)
    refused(hurt, "no picture of the video track could be read|could be read: the file is")


def test_an_undecodable_vp8_packet_is_named(studio: Studio):
    film = studio.film("packet.webm", "-c:v", "libvpx", "-g", 10, "-auto-alt-ref", 0)
    data = bytearray(film.read_bytes())
    simple_block = b"\xa3"
    with av.open(str(film)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        payload = bytes(packets[15])
    at = data.index(payload)
    assert simple_block in data[at - 12 : at]
    data[at : at + len(payload)] = b"\xff" * len(payload)
    hurt = studio.folder / "packet-hurt.webm"
    hurt.write_bytes(data)
    raw = decode(hurt)
    assert any("damaged or missing" in note for note in raw.notes), raw.notes
    whole = decode(film)
    assert np.array_equal(raw.frames[0], whole.frames[0])
    assert np.array_equal(raw.frames[2:], whole.frames[2:])


def test_a_complaint_that_ends_the_line_of_a_picture_is_heard(tmp_path: Path):
    shown = "[Parsed_showinfo_1 @ 0x1] n: %s pts: %s pts_time:0 duration: 40000 type:P"
    hurt = " Element at 0x5 ending at 0x9 exceeds containing master element ending at 0x7"
    frames = [shown % (0, 0), f"{shown % (1, 40000)}{hurt}\n", shown % (2, 80000)]
    log = "\n".join(frames) + " corrupt decoded frame\n"
    with ffmpeg.PictureRun(
        ["sh", "-c", 'printf %s "$0" >&2', log], tmp_path, 60.0, 100, True
    ) as run:
        assert list(run) == []
    assert (run.starts_us, run.damaged, run.concealed) == ([0, 40000, 80000], True, 1)


def test_only_the_index_arrived(talk: Path):
    index = talk.read_bytes().index(b"mdat") + 4
    refused(broken(talk, "index.mp4", index / talk.stat().st_size), "truncated or damaged")


@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
def test_a_video_codec_that_nobody_knows(studio: Studio, decoder: str):
    film = studio.film("strange.mp4", *H264, sound="sine=440:d=2")
    film.write_bytes(film.read_bytes().replace(b"avc1", b"qvc1").replace(b"avcC", b"free"))
    with pytest.raises(DecodeError, match="no picture of the video track could be read"):
        decode(film, decoder=decoder)


def test_segments_past_the_end(talk: Path):
    refused(
        talk,
        "the segment starts at 12.00 s, past the end of the file, which lasts 10.00 s",
        12.0,
        13.0,
    )
    refused(
        talk,
        "the segment starts at 10.20 s, past the end of the file, which lasts 10.00 s",
        10.2,
        11.0,
    )
    refused(
        talk,
        "the segment ends at 11.00 s, past the end of the file, which lasts 10.00 s",
        9.0,
        11.0,
    )
    refused(talk, "the segment runs from 3.0 s to 2.0 s", 3.0, 2.0)
    refused(talk, "the segment runs from nan s", float("nan"), 2.0)
    raw = decode(talk, 9.0, 10.4)
    assert raw.duration_s == pytest.approx(1.0) and raw.notes == (
        "the file ends 0.40 s before the segment does",
    )


@pytest.mark.parametrize("decoder", ["av", "decord", "ffmpeg"])
def test_a_segment_that_holds_the_last_picture_alone(talk: Path, decoder: str):
    raw = decode(talk, 9.97, 10.2, decoder)  # the last picture shows from 9.95 to 10.00 s
    assert numbers(raw) == [199] and raw.duration_s == pytest.approx(0.03, abs=1e-3)


def test_a_file_joined_from_two(studio: Studio):
    part = studio.film("part.ts", *H264)
    init_distributed = studio.folder / "joined.ts"
    init_distributed.write_bytes(part.read_bytes() * 2)
    refused(init_distributed, "the file's clock jumps back")


def test_limits_hold_before_memory_is_taken(studio: Studio, talk: Path):
    with pytest.raises(DecodeError, match="the clip lasts 10 s; at most 5 s are read"):
        decode_clip(Clip("clip", talk), limits=Limits(max_duration_s=5))
    assert (
        decode_clip(Clip("clip", talk, 2.0, 4.0), limits=Limits(max_duration_s=5)).duration_s == 2.0
    )
    with pytest.raises(DecodeError, match="160 × 120 px; at most 128 px a side are read"):
        decode_clip(Clip("clip", talk), limits=Limits(max_side_px=128))
    studio.run(
        "-f", "lavfi", "-i", "sine=440:d=8", "-f", "adts", "sound.aac"
    )  # a container that tells no length
    with pytest.raises(DecodeError, match="the clip lasts over 5 s, the most that is read"):
        decode_clip(Clip("clip", studio.folder / "sound.aac"), limits=Limits(max_duration_s=5))
    strip = studio.film("strip.mp4", "-pix_fmt", "yuv444p", size=(400, 8), count=3)
    refused(strip, "longer than 10 times its short side")


def test_the_time_limit_of_ffmpeg(talk: Path):
    with pytest.raises(DecodeError, match=r"did not finish within 0\.001 s"):
        decode_clip(Clip("clip", talk), decoder="ffmpeg", limits=Limits(timeout_s=0.001))


def test_an_ffmpeg_that_is_not_there(talk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(ffmpeg.PROGRAM_VARIABLE, "/nowhere/ffmpeg")
    with pytest.raises(DecodeError, match="there is no ffmpeg at /nowhere/ffmpeg: set SEMANTICMAC"):
        decode(talk, decoder="ffmpeg")
    with pytest.raises(
        ffmpeg.ProgramError, match="there is no ffmpeg at /nowhere/ffmpeg: set SEMANTICMAC_FFMPEG"
    ):
        ffmpeg.require_program()


@pytest.mark.parametrize(
    "script", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho another program\n", "no program", None]
)
def test_an_ffmpeg_that_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
):
    chosen = tmp_path / "chosen"
    chosen.mkdir() if script is None else chosen.write_text(script)
    chosen.chmod(0o755)
    monkeypatch.setenv(ffmpeg.PROGRAM_VARIABLE, str(chosen))
    with pytest.raises(
        ffmpeg.ProgramError, match=f"{chosen} cannot be run as ffmpeg .*: set SEMANTICMAC_FFMPEG"
    ):
        ffmpeg.require_program()


def test_a_chosen_ffmpeg_may_be_named_from_here_or_by_the_search_path(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "mine").symlink_to(ffmpeg.program())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for chosen in ("./mine", "mine"):
        monkeypatch.setenv(ffmpeg.PROGRAM_VARIABLE, chosen)
        ffmpeg.require_program()
        assert numbers(decode(talk, 0.0, 1.0, "ffmpeg")) == [0, 10]


HOSTILE = [
    b"-i.mp4",
    b'it\'s "quoted".mp4',
    b"concat:a|b.mp4",
    b"http:x.mp4",
    b"two\nlines\n  Stream #0:5: Video: none.mp4",
    b"latin-\xe9\xff.mp4",
    b"%03d $(id) `id`.mp4",
    b"no extension",
    "表情.mp4".encode(),
    b"bell\x07\x1b\n  Stream #0:5: Video: none.mp4",
]
PLAIN = ["0", "1", "a", "e", "Video", "Audio", ":", " ", "file", "Input #0, mov, from 'x"]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_can_be_read(
    talk: Path, tmp_path: Path, name: bytes, monkeypatch: pytest.MonkeyPatch
):
    film = tmp_path / os.fsdecode(name)
    film.write_bytes(talk.read_bytes())
    expected = [0, 10]
    assert numbers(decode(film, 0.0, 1.0, "ffmpeg")) == expected
    monkeypatch.chdir(tmp_path)
    assert numbers(decode(Path(os.fsdecode(name)), 0.0, 1.0)) == expected


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_that_ffmpeg_says_of_other_things_costs_nothing(
    talk: Path, tmp_path: Path, name: str
):
    film = tmp_path / name
    film.write_bytes(talk.read_bytes())
    found, expected = decode(film), decode(talk)
    assert np.array_equal(found.frames, expected.frames) and np.array_equal(
        found.waveform, expected.waveform
    )
    assert (found.duration_s, found.notes) == (expected.duration_s, expected.notes) == (10.0, ())


def test_a_name_that_tells_of_damage_or_of_pictures_is_not_believed(studio: Studio, tmp_path: Path):
    studio.run(
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=96x64:r=20:d=2",
        "-f",
        "lavfi",
        "-i",
        "sine=d=4",
        *H264,
        "sound-longer.mp4",
    )
    expected = decode(studio.folder / "sound-longer.mp4", decoder="ffmpeg")
    assert expected.duration_s == pytest.approx(4.0, abs=0.1)
    shown = "[Parsed_showinfo_1 @ 0x1] n: 0 pts: 7000000 pts_time:7 duration: 40000"
    for name in ("corrupt.mp4", f"two\n{shown}\n.mp4", f"two\n{shown}"):
        film = tmp_path / name
        film.write_bytes((studio.folder / "sound-longer.mp4").read_bytes())
        found = decode(film, decoder="ffmpeg")
        assert (found.duration_s, found.notes) == (expected.duration_s, expected.notes)
        assert np.array_equal(found.frames, expected.frames)


PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile 'talk.mp4'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\ntalk.mp4\n#EXT-X-ENDLIST\n",
    "sdp": (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    ),
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8"])
def test_a_playlist_reads_no_other_file(talk: Path, kind: str, suffix: str):
    playlist = talk.with_name(kind + suffix)
    playlist.write_text(PLAYLISTS[kind])
    refused(playlist, "is a playlist, a picture or another kind|neither video nor sound")


def test_a_picture_is_no_clip(studio: Studio):
    studio.run(
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=64x64",
        "-frames:v",
        1,
        "-f",
        "image2",
        "-c:v",
        "png",
        "picture.mp4",
    )
    refused(studio.folder / "picture.mp4", "is a playlist, a picture or another kind")
