"""The ffmpeg program: finds it, and runs it under a time limit.

ffmpeg opens local files only, and of those only containers of video and sound: a playlist that is
named clip.mp4 could otherwise make it read, and show, any other file. A file is handed over as
`file:` and its bare name, with its folder as the working directory, so a name may begin with `-` or
hold quotes, colons, line breaks and bytes that are no text.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import ffmpeg as ffmpeg_python
import numpy as np

from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding.probe import CONTAINERS

# names a system ffmpeg; unset = the one that imageio-ffmpeg brings
PROGRAM_VARIABLE = "SEMANTICMAC_FFMPEG"
PROBE_TIMEOUT_S = 60.0
INPUT = "file:INPUT"  # stands for the file in a graph of ffmpeg-python
STDERR_LINES = 200  # kept of what ffmpeg says; enough for the last error of any file
_CHOOSE_PROGRAM = f"set {PROGRAM_VARIABLE} to a working one, or unset it to use imageio-ffmpeg's"

_DAMAGE = re.compile(
    rb"corrupt|error while decoding|Error (submitting|splitting)|ended prematurely|partial file|"
    rb"Invalid NAL|invalid as first byte|exceeds (containing|max)|Read error|Truncating packet"
)
_CONCEALED = re.compile(rb"corrupt decoded frame")
PICTURE_LINE = re.compile(
    rb"\[Parsed_showinfo\S* @ \S+\] n: *\d+ pts: *(-?\d+) pts_time:\S+ +duration: *(\d+)"
)
_PRINTED = bytes.maketrans(
    bytes([*range(1, 8), *range(14, 32)]), b"?" * 25
)  # control codes, but no line break


class ProgramError(Exception):
    """There is no ffmpeg that runs; the message says what to do."""


def program() -> str:
    """The ffmpeg to run, by an absolute path: it is run in the folder of each file."""
    chosen = os.environ.get(PROGRAM_VARIABLE)
    if chosen:
        return str(Path(shutil.which(chosen) or chosen).absolute())
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def require_program() -> None:
    """Raises ProgramError unless ffmpeg runs: one message instead of one for every clip."""
    name, why = os.environ.get(PROGRAM_VARIABLE) or "imageio-ffmpeg", "it does not say its version"
    try:
        name = program()
        words = [name, "-version"]
        run = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise ProgramError(_no_program(name)) from None
    except (
        OSError,
        RuntimeError,
        subprocess.TimeoutExpired,
    ) as error:  # RuntimeError: imageio-ffmpeg brings none here
        why = getattr(error, "strerror", None) or str(error)
    else:
        if run.returncode == 0 and run.stdout.startswith(b"ffmpeg version"):
            return
    raise ProgramError(f"{name} cannot be run as ffmpeg ({why}): {_CHOOSE_PROGRAM}")


def command() -> list[str]:
    """The words of every run. `repeat`: complaints are counted, so none is folded into the last."""
    return [program(), "-nostdin", "-hide_banner", "-nostats", "-loglevel", "repeat+info"]


def input_options(seek_s: float = 0.0, codec: str = "") -> dict[str, str | None]:
    """Options of every input, as ffmpeg-python spells them: local files, known containers.

    seek_s: seconds into the file at which reading may begin; it does at the key frame before.
    copyts keeps the file's own clock: ffmpeg would set a ts or mpg to 0 at the first packet of the
    one track that it reads, and so part sound and pictures.
    """
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": CONTAINERS,
        "threads": "1",
        "copyts": None,
    }
    if seek_s > 0:
        options |= {"ss": f"{seek_s:.6f}", "noaccurate_seek": None}
    if seek_s > 0 and codec == "h264":
        options["flags"] = "-output_corrupt"  # drops frames before an intra refresh is complete
    return options


def safe_flags() -> list[str]:
    words = []
    for name, value in input_options().items():
        words.append(f"-{name}")
        if value is not None:
            words.append(value)
    return words


def reconfigured(log: bytes) -> bool:
    """Whether ffmpeg built its filters anew because a track changed its format."""
    return b"Reconfiguring filter graph" in log


def source(path: Path) -> str:
    """The input as ffmpeg is given it, relative to the file's folder."""
    return "file:" + path.name


def _printed(path: Path) -> bytes:
    """The input as ffmpeg prints it.

    Taken out of all that it says: a name may look like any line or word of it.
    """
    return os.fsencode(source(path)).translate(_PRINTED)


def compiled(output: Any, path: Path) -> list[str]:
    """The command of an ffmpeg-python graph whose input is INPUT.

    That library takes no name that is not UTF-8.
    """
    parts = ffmpeg_python.compile(output, cmd=command())
    return [source(path) if part == INPUT else part for part in parts]


def execute(
    arguments: list[str], path: Path, timeout_s: float
) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg to its end in the file's folder, or raise a DecodeError after timeout_s.

    stderr lacks the name.
    """
    try:
        run = subprocess.run(
            arguments,
            cwd=path.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DecodeError(_too_slow(timeout_s)) from None
    except FileNotFoundError:
        raise DecodeError(_no_program(arguments[0])) from None
    run.stderr = run.stderr.replace(_printed(path), b"")
    return run


def _too_slow(timeout_s: float) -> str:
    return (
        f"ffmpeg did not finish within {timeout_s:g} s: the file is damaged, "
        "or the limit too short for its length"
    )


def _no_program(name: str) -> str:
    return f"there is no ffmpeg at {name}: {_CHOOSE_PROGRAM}"


def _lines(log: Iterable[bytes], name: bytes) -> Iterator[bytes]:
    """The lines that ffmpeg writes, without the name that it prints (_printed).

    A line break inside the name ends no line.
    """
    begun = tuple(name[: at + 1] for at, byte in enumerate(name) if byte == ord("\n"))
    held = b""
    for line in log:
        held += line
        if not held.endswith(begun):
            yield held.replace(name, b"")
            held = b""
    if held:
        yield held


@dataclass
class PictureRun:
    """One running ffmpeg: picked frames as PPM on stdout, the time of every frame on stderr.

    Use as a context manager and iterate: pictures come one by one in native size. Everything else
    is known at the end.
    """

    arguments: list[str]
    path: Path
    timeout_s: float
    max_side_px: int
    # reading begins where the file does, so that nothing that the decoder misses was withheld from
    # it
    whole: bool
    starts_us: list[int] = field(
        default_factory=list
    )  # of every picture decoded, from the segment's start
    last_us: int = 0  # how long the last picture shows; 0 = the file does not say
    concealed: int = 0  # pictures in the segment that the decoder had to make up in part
    damaged: bool = False  # ffmpeg met bytes that it could not read
    lines: deque[bytes] = field(default_factory=lambda: deque(maxlen=STDERR_LINES))
    late: bool = False  # killed at the time limit
    reconfigured: bool = False  # the frames change their format

    def __enter__(self) -> PictureRun:
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                self.arguments,
                cwd=self.path.parent,
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
            )
        except FileNotFoundError:
            raise DecodeError(_no_program(self.arguments[0])) from None
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._timer = threading.Timer(self.timeout_s, self._give_up)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if kind is not None:
            self._process.kill()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is self._process.stderr:
                self._listener.join()
            if stream:
                stream.close()
        self._process.wait()
        if self.late:
            raise DecodeError(_too_slow(self.timeout_s)) from None
        if kind is None and self._process.returncode < 0:
            raise DecodeError(
                f"ffmpeg was killed by signal {-self._process.returncode}, "
                "perhaps for want of memory"
            )

    def __iter__(self) -> Iterator[np.ndarray]:
        """Pictures (H, W, 3) uint8 RGB."""
        assert self._process.stdout
        while (picture := self._read_picture(self._process.stdout)) is not None:
            yield picture

    def _read_picture(self, stream: IO[bytes]) -> np.ndarray | None:
        if not stream.readline():  # "P6"
            return None
        try:
            width, height = map(int, stream.readline().split())
        except ValueError:  # cut short by the time limit
            return None
        if max(width, height) > self.max_side_px:
            raise DecodeError(
                f"a picture is {width} × {height} px; at most {self.max_side_px} px a side are read"
            )
        stream.readline()  # "255"
        data = stream.read(width * height * 3)
        return (
            np.frombuffer(data, np.uint8).reshape(height, width, 3)
            if len(data) == width * height * 3
            else None
        )

    def _listen(self) -> None:
        assert self._process.stderr
        for line in _lines(self._process.stderr, _printed(self.path)):
            if shown := PICTURE_LINE.match(line):
                self.starts_us.append(int(shown[1]))
                self.last_us = int(shown[2])
            elif not line.startswith(b"[Parsed_showinfo"):
                self.lines.append(line)
            # In a line on a picture too: ffmpeg's threads write side by side, and what one says may
            # end another's line.
            self.damaged = self.damaged or bool(_DAMAGE.search(line))
            self.reconfigured = self.reconfigured or reconfigured(line)
            # Before the segment's start a decoder may complain of what it was not given: that hurts
            # nothing. Of a whole file every complaint counts: decoder and filter write side by
            # side, in no certain order.
            if _CONCEALED.search(line) and (
                self.whole or (self.starts_us and self.starts_us[-1] >= 0)
            ):
                self.concealed += 1

    def _give_up(self) -> None:
        self.late = True
        self._process.kill()
