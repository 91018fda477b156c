"""Small odd files, made with ffmpeg at test time, whose every picture shows its own number."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from semanticmac.preprocess.clip import Clip, RawClip
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding.decode import decode_clip

BITS = [
    (row, column) for row in range(2) for column in range(4)
]  # a picture's number in 2 × 4 light or dark blocks


def numbered(number: int, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8: the picture that shows `number` (0 … 255)."""
    blocks = np.array([number >> bit & 1 for bit in range(8)]).reshape(2, 4) * 195 + 30
    grid = blocks[np.arange(height)[:, None] * 2 // height, np.arange(width)[None] * 4 // width]
    return np.repeat(grid[..., None], 3, axis=2).astype(np.uint8)


def number_of(picture: np.ndarray) -> int:
    """The number that a picture shows, read in the middle of its blocks."""
    high, wide = picture.shape[0] // 2, picture.shape[1] // 4
    middles = [
        picture[
            row * high + high // 4 : (row + 1) * high - high // 4,
            at * wide + wide // 4 : (at + 1) * wide - wide // 4,
        ]
        for row, at in BITS
    ]
    return sum(int(middle.mean() > 127) << bit for bit, middle in enumerate(middles))


class Studio:
    """Makes files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: object, data: bytes = b"") -> None:
        command = [ffmpeg.program(), "-v", "error", "-y", *map(str, arguments)]
        subprocess.run(command, input=data, check=True, cwd=self.folder, timeout=60)

    def film(
        self,
        name: str,
        *options: object,
        count: int = 50,
        rate: str = "25",
        size: tuple[int, int] = (96, 64),
        sound: str = "",
    ) -> Path:
        """A film of `count` numbered pictures; sound: a lavfi source that is muxed with it."""
        width, height = size
        raw = b"".join(numbered(number, width, height).tobytes() for number in range(count))
        pictures = [
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            f"{width}x{height}",
            "-r",
            rate,
            "-i",
            "-",
        ]
        heard = ["-f", "lavfi", "-i", sound] if sound else []
        self.run(*pictures, *heard, *options, name, data=raw)
        return self.folder / name

    def copy(
        self, source: Path, name: str, *options: object, before: tuple[object, ...] = ()
    ) -> Path:
        """The same streams in another container or cut, not encoded again."""
        self.run(*before, "-i", source, *options, "-c", "copy", name)
        return self.folder / name


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("studio"))


@pytest.fixture(scope="session")
def talk(studio: Studio) -> Path:
    """10 s of numbered frames at 20 a second, a key frame a second, with audio."""
    options = (
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264",
        "-g",
        20,
        "-bf",
        2,
        "-b:v",
        "200k",
        "-movflags",
        "+faststart",
    )
    return studio.film(
        "talk.mp4", *options, count=200, rate="20", size=(160, 120), sound="sine=440:d=10"
    )


def decode(
    path: Path, start_s: float = 0.0, end_s: float | None = None, decoder: str = "av"
) -> RawClip:
    return decode_clip(Clip("clip", path, start_s, end_s), decoder=decoder)


def numbers(raw: RawClip) -> list[int]:
    return [number_of(picture) for picture in raw.frames]
