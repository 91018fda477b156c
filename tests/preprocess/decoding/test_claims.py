"""Headers with huge claims: refused, or the file's real content is read in little memory."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from semanticmac.preprocess.clip import DecodeError

from .conftest import Studio, decode, number_of

SIDE = 100_000
HOURS = 1_000_000
# of this many KiB an ordinary little clip takes about a third, most of it libraries
MEMORY_KIB = 400 << 10

# Decodes one file; prints the reason or "decoded", and the largest memory that this process or an
# ffmpeg took.
CHILD = """
import json, resource, sys
from pathlib import Path
from semanticmac.preprocess.clip import Clip, DecodeError
from semanticmac.preprocess.decoding.decode import decode_clip
try:
    decode_clip(Clip("clip", Path(sys.argv[1])))
    outcome = "decoded"
except DecodeError as error:
    outcome = str(error)
# Not its own ru_maxrss: that one begins with what the process that started it, a whole test run,
# held.
status = Path("/proc/self/status").read_text()
[peak] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
print(json.dumps([outcome, max(int(peak), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)]))
"""


def outcome(path: Path) -> tuple[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True
    )
    said, memory_kib = json.loads(done.stdout)
    return said, memory_kib


def edited(path: Path, name: str, *edits: tuple[bytes, bytes]) -> Path:
    """A copy of a file with the first of each pair replaced by the second."""
    data = path.read_bytes()
    for old, new in edits:
        assert old in data and len(old) == len(new)
        data = data.replace(old, new)
    changed = path.with_name(name)
    changed.write_bytes(data)
    return changed


CODECS = {
    "raw.avi": "rawvideo",
    "ffv1.avi": "ffv1",
    "wmv2.avi": "wmv2",
    "mjpeg.avi": "mjpeg",
    "mpeg4.avi": "mpeg4",
}


@pytest.mark.parametrize("name", CODECS)
def test_an_avi_that_claims_a_giant_picture(studio: Studio, name: str):
    film = studio.film(
        name,
        "-pix_fmt",
        "yuvj420p" if "mjpeg" in name else "yuv420p",
        "-c:v",
        CODECS[name],
        count=10,
    )
    size, giant = struct.pack("<II", 96, 64), struct.pack("<II", SIDE, SIDE)
    said, memory_kib = outcome(edited(film, f"giant-{name}", (size, giant)))
    assert memory_kib < MEMORY_KIB, said
    assert (
        "100000 × 100000 px; at most 8192 px a side" in said
        or "no picture" in said
        or said == "decoded"
    )


@pytest.mark.parametrize("name", ["giant.mp4", "giant.mkv"])
def test_another_container_that_claims_a_giant_picture(studio: Studio, name: str):
    film = studio.film(
        f"small-{name}",
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264" if "mp4" in name else "ffv1",
        count=10,
    )
    if "mp4" in name:  # width and height of the track and of its sample entry
        edits = [
            (struct.pack(">II", 96 << 16, 64 << 16), struct.pack(">II", 0xFFFF << 16, 0xFFFF << 16))
        ]
        edits += [(struct.pack(">HH", 96, 64), struct.pack(">HH", 0xFFFF, 0xFFFF))]
    else:  # PixelWidth and PixelHeight, one byte each, as far as a byte goes
        edits = [(b"\xb0\x81\x60", b"\xb0\x81\xff"), (b"\xba\x81\x40", b"\xba\x81\xff")]
    said, memory_kib = outcome(edited(film, name, *edits))
    assert memory_kib < MEMORY_KIB, said


def test_a_film_that_claims_a_million_hours(studio: Studio):
    film = studio.film("short.mkv", "-pix_fmt", "yuv420p", "-c:v", "libx264", count=50)
    at = film.read_bytes().index(b"\x44\x89\x88") + 3  # Duration, in milliseconds
    duration = film.read_bytes()[at : at + 8]
    assert struct.unpack(">d", duration)[0] == pytest.approx(2000, abs=50)
    endless = edited(film, "endless.mkv", (duration, struct.pack(">d", HOURS * 3.6e6)))
    said, memory_kib = outcome(endless)
    assert (
        said
        == f"the clip lasts {HOURS * 3600} s; at most 3600 s are read: give start and end times"
    )
    assert memory_kib < MEMORY_KIB
    assert number_of(decode(endless, 1.0, 2.0).frames[0]) == 25  # what is there can still be read


def test_an_mp4_whose_every_picture_claims_to_show_for_days(studio: Studio):
    film = studio.film("short.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", count=50)
    data = film.read_bytes()
    # after version, flags and the number of entries: how many samples, and how long each
    at = data.index(b"stts") + 12
    longer = (data[at : at + 8], data[at : at + 4] + struct.pack(">I", 0x7FFFFFFF))
    said, memory_kib = outcome(edited(film, "endless.mp4", longer, (b"edts", b"free")))
    assert "the clip lasts over 3600 s, the most that is read" in said and memory_kib < MEMORY_KIB


def test_sound_that_claims_more_than_there_is(studio: Studio):
    studio.run("-f", "lavfi", "-i", "sine=440:d=1:r=16000", "-c:a", "flac", "short.flac")
    film = studio.folder / "short.flac"
    data = bytearray(film.read_bytes())
    data[21] |= 0x0F  # the upper 4 of 36 bits that count the samples: about 1193 hours
    data[22:26] = b"\xff" * 4
    film.with_name("endless.flac").write_bytes(data)
    said, memory_kib = outcome(film.with_name("endless.flac"))
    assert "at most 3600 s are read" in said and memory_kib < MEMORY_KIB
    with pytest.raises(DecodeError, match=r"past the end of the file|could be read"):
        decode(film.with_name("endless.flac"), 5.0, 6.0)
