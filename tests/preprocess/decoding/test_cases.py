"""Kinds of files that were read wrongly after public reports: films made here, and shared ones.

Every frame of a shared film shows its own number, five numbers a second; audio is silence with
bursts of 50 ms at 1, 5 and 8 s.
"""

from pathlib import Path

import numpy as np
import pytest

from semanticmac.cache.records import RawClip
from semanticmac.preprocess.clip import DecodeError

from .conftest import Studio, decode, number_of, numbers

CASES = Path(__file__).parents[4] / "shared" / "cases"
DECODERS = ("av", "decord", "ffmpeg")
H264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast")
VP8 = ("-pix_fmt", "yuv420p", "-c:v", "libvpx", "-deadline", "realtime", "-auto-alt-ref", 0)
RATE_HZ = 16_000

shared = pytest.mark.skipif(
    not CASES.is_dir(), reason="the films of ../shared/cases are not on this machine"
)
by_every_decoder = pytest.mark.parametrize("decoder", DECODERS)


def code_of(picture: np.ndarray) -> int:
    """The number that a shared film's frame shows: eight stripes, most significant bit first."""
    height, width = picture.shape[:2]
    number = 0
    for stripe in range(8):
        left, right = int((stripe + 0.3) * width / 8), int((stripe + 0.7) * width / 8) + 1
        number = 2 * number + int(picture[height // 3 : 2 * height // 3, left:right].mean() > 120)
    return number


def codes(raw: RawClip) -> list[int]:
    return [code_of(picture) for picture in raw.frames]


def burst_starts(raw: RawClip) -> list[float]:
    """The times at which sound begins after 0.2 s without any."""
    starts: list[float] = []
    last_s = -1.0
    for index in np.flatnonzero(np.abs(raw.waveform.astype(int)) > 4000):
        at_s = float(index) / RATE_HZ
        if at_s - last_s > 0.2:
            starts.append(at_s)
        last_s = at_s
    return starts


def expected(seconds: float, start_s: float = 0.0) -> list[int]:
    return [int(5 * (start_s + k / 2) + 1e-6) for k in range(int(2 * seconds))]


# name: (length, whether the frames count, bursts)
FILMS = {
    "sound-format-changes/audio_44_then_48.mts": (6, True, [1, 5]),
    "sound-format-changes/audio_mono_then_stereo.mts": (6, True, [1, 5]),
    "sound-format-changes/joined_mono_stereo.mp3": (6, False, [1, 5]),
    "picture-format-changes/live_res_vp8.webm": (6, True, [1, 5]),
    "picture-format-changes/res_h264.mts": (6, True, None),
    "picture-format-changes/colour_tag_changes.mts": (6, True, None),
    "intra-refresh/intra_refresh.mp4": (16, True, None),
    "hevc-without-stss/no_stss_hevc.mp4": (16, True, None),
    "which-sound/multi_default2.mkv": (6, True, [1, 5]),
    "which-sound/multi_silent1.mp4": (6, True, [1, 5]),
    "first-sound-unknown/apac_first.mov": (6, True, [1, 5]),
    "first-sound-unknown/apac_second.mov": (6, True, [1, 5]),
    "two-picture-tracks/two_video_default2.mkv": (3, True, None),
    "chained-ogg/chained.ogg": (6, False, [1, 5]),
    "sound-outlives-pictures/static_share.webm": (10, False, [1, 5, 8]),
    "sound-outlives-pictures/static_one_picture.mp4": (10, False, [1, 5, 8]),
}


@shared
@by_every_decoder
@pytest.mark.parametrize("name", FILMS)
def test_a_shared_film_is_read_right(name: str, decoder: str):
    seconds, counts, bursts = FILMS[name]
    raw = decode(CASES / name, decoder=decoder)
    assert raw.duration_s == pytest.approx(seconds, abs=0.1)
    if counts:
        assert codes(raw) == expected(seconds)
    if bursts:
        assert burst_starts(raw) == pytest.approx(bursts, abs=0.06)


@shared
@by_every_decoder
@pytest.mark.parametrize("name", FILMS)
def test_a_segment_of_a_shared_film_is_read_right(name: str, decoder: str):
    seconds, counts, bursts = FILMS[name]
    start_s, end_s = (1.0, 2.5) if seconds < 6 else (2.0, 5.5)
    raw = decode(CASES / name, start_s, end_s, decoder)
    assert raw.duration_s == pytest.approx(end_s - start_s)
    if counts:
        assert codes(raw) == expected(end_s - start_s, start_s)
    if bursts:
        assert burst_starts(raw) == pytest.approx([5 - start_s], abs=0.06)


@shared
@by_every_decoder
def test_the_last_frame_of_a_shared_film_stays(decoder: str):
    share = decode(CASES / "sound-outlives-pictures/static_share.webm", decoder=decoder)
    assert codes(share) == [0, 5, 10] + [15] * 17
    still = decode(CASES / "sound-outlives-pictures/static_one_picture.mp4", decoder=decoder)
    assert len(set(codes(still))) == 1 and len(still.frames) == 20


@shared
@by_every_decoder
def test_the_shared_film_of_a_phone_that_was_turned(decoder: str):
    raw = decode(CASES / "picture-turns/res_vp8_turn.webm", decoder=decoder)
    assert raw.frames.shape == (12, 224, 299, 3)
    assert codes(raw)[:6] == expected(3)
    width = 168  # of 120 × 160 at a height of 224
    left = (299 - width) // 2
    inner = [code_of(picture[:, left : left + width]) for picture in raw.frames[6:]]
    assert inner == expected(3, 3)
    assert not raw.frames[6:, :, : left - 1].any()
    assert any("black bars" in note for note in raw.notes)


@shared
@by_every_decoder
def test_the_shared_hdr_film_has_the_colours_of_the_same_in_sdr(decoder: str):
    hdr = decode(CASES / "hdr/hdr_hlg.mov", decoder=decoder)
    sdr = decode(CASES / "hdr/col_untagged.mp4", decoder=decoder)
    for stripe in range(8):
        middle = int((stripe + 0.5) * hdr.frames.shape[2] / 8)
        colours = [raw.frames[1, 100, middle].astype(int) for raw in (hdr, sdr)]
        assert np.abs(colours[0] - colours[1]).max() <= 6, stripe
    assert any("HDR" in note for note in hdr.notes)


@shared
@by_every_decoder
def test_the_shared_interlaced_film_has_no_combs(decoder: str):
    raw = decode(CASES / "interlaced/combing.mp4", decoder=decoder)
    assert max(combing(picture) for picture in raw.frames) < 4
    assert any("interlaced" in note for note in raw.notes)


def combing(picture: np.ndarray) -> float:
    """How much each line differs from both its neighbours, over the lines: woven fields do."""
    grey = picture.astype(float).mean(axis=2)
    between = np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2)
    return float(between.max(axis=0).max()) / 16


# The same kinds, made here.


@by_every_decoder
@pytest.mark.parametrize("changed", [("-ac", 2), ("-ar", 44100)])
def test_audio_that_changes_its_format(studio: Studio, decoder: str, changed: tuple[object, ...]):
    beep = "aevalsrc='if(lt(t,0.1),sin(6283*t),0)':s=48000:d=2"
    data = b""
    for number, form in enumerate([("-ac", 1, "-ar", 48000), changed]):
        stamp = ("-output_ts_offset", number * 2, "-muxdelay", 0, "-muxpreload", 0)
        sound = ("-c:a", "mp2", "-ac", 1, *form)
        data += studio.film(f"part{number}.ts", *H264, *sound, *stamp, sound=beep).read_bytes()
    joined = studio.folder / f"joined{changed[0]}.ts"
    joined.write_bytes(data)
    raw = decode(joined, decoder=decoder)
    assert burst_starts(raw) == pytest.approx([0, 2], abs=0.06)


@by_every_decoder
def test_frames_that_change_their_size(studio: Studio, decoder: str):
    parts = []
    for number, size in enumerate([(96, 64), (192, 128)]):
        name = f"size{number}.ts"
        stamp = ("-output_ts_offset", number * 2, "-muxdelay", 0, "-muxpreload", 0)
        parts.append(studio.film(name, *H264, *stamp, size=size).read_bytes())
    joined = studio.folder / "sizes.ts"
    joined.write_bytes(b"".join(parts))
    assert numbers(decode(joined, decoder=decoder)) == [0, 12, 25, 37] * 2
    assert numbers(decode(joined, 1.0, 3.0, decoder)) == [25, 37, 0, 12]


@by_every_decoder
@pytest.mark.parametrize("name", ["refresh.mp4", "refresh.mkv", "refresh.ts"])
def test_periodic_intra_refresh_has_one_clean_key_frame(studio: Studio, name: str, decoder: str):
    refresh = ("-x264-params", "intra-refresh=1:keyint=20:bframes=0:scenecut=0")
    film = studio.film(
        name, "-pix_fmt", "yuv420p", "-c:v", "libx264", *refresh, count=200, rate="20"
    )
    assert numbers(decode(film, decoder=decoder)) == list(range(0, 200, 10))
    for start_s in (2.3, 5.05, 8.5):
        first = round(start_s * 20)
        shown = numbers(decode(film, start_s, start_s + 1.4, decoder))
        assert shown == [first, first + 10, first + 20]


@by_every_decoder
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_film_without_a_table_of_key_frames(studio: Studio, codec: str, decoder: str):
    quiet = ("-x265-params", "log-level=none:keyint=50") if codec == "libx265" else ("-g", 50)
    film = studio.film(
        f"{codec}.mp4", "-pix_fmt", "yuv420p", "-c:v", codec, *quiet, count=200, rate="20"
    )
    data = film.read_bytes()
    assert data.count(b"stss") == 1
    without = studio.folder / f"{codec}-no-stss.mp4"
    without.write_bytes(data.replace(b"stss", b"free"))
    assert numbers(decode(without, decoder=decoder)) == list(range(0, 200, 10))
    shown = numbers(decode(without, 6.3, 7.7, decoder))
    assert shown == [126, 136, 146]


@by_every_decoder
def test_the_default_video_track_is_read(studio: Studio, decoder: str):
    still = studio.film("still.mkv", "-vf", "loop=-1:1,trim=end_frame=50", *H264)
    moving = studio.film("moving.mkv", *H264)
    which = ("-map", "0:v", "-map", "1:v", "-disposition:v:0", 0, "-disposition:v:1", "default")
    both = studio.copy(moving, "both.mkv", *which, before=("-i", still))
    raw = decode(both, decoder=decoder)
    assert numbers(raw) == [0, 12, 25, 37]
    assert "the file has 2 video tracks: track 2 was read" in raw.notes


TONE, NOTHING = "sine=440:d=2:r=48000", "anullsrc=r=48000:d=2"
SOUNDS = {
    "silent-first.mp4": (NOTHING, TONE, ()),
    "silent-first.mkv": (NOTHING, TONE, ("-disposition:a:0", "default", "-disposition:a:1", 0)),
    "default-second.mkv": (
        "sine=880:d=2:r=48000",
        TONE,
        ("-disposition:a:0", 0, "-disposition:a:1", "default"),
    ),
}


@by_every_decoder
@pytest.mark.parametrize("name", SOUNDS)
def test_the_track_with_the_voice_is_read(studio: Studio, name: str, decoder: str):
    first, second, disposition = SOUNDS[name]
    sources = ("-f", "lavfi", "-t", 2, "-i", first, "-f", "lavfi", "-t", 2, "-i", second)
    studio.run(*sources, "-map", 0, "-map", 1, "-c:a", "aac", *disposition, name)
    raw = decode(studio.folder / name, decoder=decoder)
    spectrum = np.abs(np.fft.rfft(raw.waveform[:RATE_HZ].astype(float)))
    assert abs(int(spectrum.argmax()) - 440) <= 2
    assert "the file has 2 audio tracks: track 2 was read" in raw.notes


@by_every_decoder
@pytest.mark.parametrize("codec", ["libvorbis", "libopus", "flac"])
def test_recordings_one_after_the_other_in_an_ogg_file(studio: Studio, codec: str, decoder: str):
    parts = []
    for number in (1, 2):
        beep = f"aevalsrc='if(between(t,{number},{number}+0.1),sin(6283*t),0)':s=48000:d=3"
        studio.run("-f", "lavfi", "-i", beep, "-c:a", codec, "-serial_offset", number, "part.ogg")
        parts.append((studio.folder / "part.ogg").read_bytes())
    chained = studio.folder / f"{codec}.ogg"
    chained.write_bytes(b"".join(parts))
    raw = decode(chained, decoder=decoder)
    assert raw.duration_s == pytest.approx(6, abs=0.05)
    assert burst_starts(raw) == pytest.approx([1, 5], abs=0.06)


@by_every_decoder
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_interlaced_frames_are_not_woven(studio: Studio, codec: str, decoder: str):
    light = "if(between(X,mod(N*3,110),mod(N*3,110)+12),235,16)"
    bar = f"color=black:s=128x96:r=50:d=2,geq=lum='{light}':cb=128:cr=128"
    flags = ("-flags", "+ilme+ildct", "-field_order", "tt")
    options = (*flags, "-pix_fmt", "yuv420p", "-c:v", codec, "-q:v", 2)
    name = f"woven-{codec}.{'mp4' if codec == 'libx264' else 'ts'}"
    studio.run("-f", "lavfi", "-i", bar, "-vf", "interlace=scan=tff:lowpass=off", *options, name)
    raw = decode(studio.folder / name, decoder=decoder)
    assert max(combing(picture) for picture in raw.frames) < 4
    assert any("interlaced" in note for note in raw.notes)


@by_every_decoder
@pytest.mark.parametrize(("transfer", "white"), [("smpte2084", 0.5807), ("arib-std-b67", 0.75)])
def test_hdr_reference_white_is_white(studio: Studio, transfer: str, white: float, decoder: str):
    level = round(64 + 876 * white)  # 203 nits, or 75 % of the HLG signal, in 10 bits
    raw = np.full((50, 64 * 96), level, "<u2")
    chroma = np.full((50, 64 * 96 // 2), 512, "<u2")
    data = np.concatenate([raw, chroma], axis=1).tobytes()
    source = ("-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", "96x64", "-r", 25, "-i", "-")
    tags = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:log-level=none"
    coded = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", tags)
    name = f"{transfer}.mp4"
    studio.run(*source, *coded, name, data=data)
    film = decode(studio.folder / name, decoder=decoder)
    assert np.abs(film.frames.astype(int) - 255).max() <= 6
    assert "the video is HDR: it was tone-mapped to SDR" in film.notes


@by_every_decoder
def test_a_turned_phone_in_one_file(studio: Studio, decoder: str):
    parts = []
    for number, size in enumerate([(96, 64), (64, 96)]):
        stamp = ("-output_ts_offset", number * 2, "-muxdelay", 0, "-muxpreload", 0)
        parts.append(studio.film(f"turn{number}.ts", *H264, *stamp, size=size).read_bytes())
    joined = studio.folder / "turn.ts"
    joined.write_bytes(b"".join(parts))
    raw = decode(joined, decoder=decoder)
    assert raw.frames.shape == (8, 224, 336, 3)
    width = round(224 * 64 / 96)
    left = (336 - width) // 2
    assert [number_of(picture) for picture in raw.frames[:4]] == [0, 12, 25, 37]
    assert [number_of(p[:, left : left + width]) for p in raw.frames[4:]] == [0, 12, 25, 37]
    assert "the picture changes its shape: black bars keep its proportions" in raw.notes


@pytest.mark.parametrize("flip", ["hflip", "vflip"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_av_turns_and_mirrors_frames_as_ffmpeg_does(studio: Studio, degrees: int, flip: str):
    film = studio.film("upright-av.mp4", *H264)
    turned = studio.copy(
        film, "turned-av.mp4", before=("-display_rotation", degrees, f"-display_{flip}")
    )
    by_av, by_ffmpeg = decode(turned), decode(turned, decoder="ffmpeg")
    np.testing.assert_array_equal(by_av.frames, by_ffmpeg.frames)


@pytest.mark.parametrize(
    "pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuvj420p"]
)
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc", "unspecified"])
def test_av_and_ffmpeg_see_the_same_colours(studio: Studio, pixels: str, matrix: str):
    source = ("-f", "lavfi", "-i", "testsrc2=s=96x64:d=1:r=10")
    name = f"{pixels}-{matrix}.mkv"
    studio.run(*source, "-pix_fmt", pixels, "-c:v", "libx264", "-colorspace", matrix, name)
    film = studio.folder / name
    np.testing.assert_array_equal(decode(film).frames, decode(film, decoder="ffmpeg").frames)


def test_a_file_whose_only_audio_cannot_be_decoded_keeps_its_frames(studio: Studio):
    film = studio.film("odd-sound.mp4", *H264, "-c:a", "aac", sound="sine=440:d=2")
    data = film.read_bytes()
    assert data.count(b"mp4a") == 1
    film.write_bytes(data.replace(b"mp4a", b"qqqq").replace(b"esds", b"free"))
    raw = decode(film)
    assert numbers(raw) == [0, 12, 25, 37] and raw.waveform is None
    assert raw.notes == ("no audio track that can be read",)


def test_a_segment_that_lies_behind_frames_and_audio_is_refused(studio: Studio):
    film = studio.film("end.mp4", *H264, sound="sine=440:d=2")
    with pytest.raises(DecodeError, match=r"past the end of the file, which lasts 2\.0"):
        decode(film, 2.2, 3.0)
