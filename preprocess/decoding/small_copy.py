"""A small copy of a video that any browser plays, made by the ffmpeg program."""

from __future__ import annotations

import tempfile
from pathlib import Path

from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding.probe import first_complaint

HEIGHT_PX = 240
FRAMES_PER_S = 15
# For one second of the video, on a slow machine.
TIMEOUT_SHARE = 4.0


def small_copy(path: Path, seconds: float) -> bytes:
    """An MP4 file, about 1 MB a minute: 240 lines, 15 frames a second, mono.

    Its times are those of the original. Raises DecodeError if ffmpeg cannot make it.
    """
    with tempfile.TemporaryDirectory(prefix="semanticmac-") as folder:
        copy = Path(folder) / "copy.mp4"
        words = [*ffmpeg.command(), *ffmpeg.safe_flags(), "-i", ffmpeg.source(path)]
        words += ["-map", "0:V:0?", "-map", "0:a:0?", "-sn", "-dn", "-map_metadata", "-1"]
        words += ["-vf", f"scale=-2:'min({HEIGHT_PX},trunc(ih/2)*2)'", "-r", str(FRAMES_PER_S)]
        words += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "30", "-pix_fmt", "yuv420p"]
        words += ["-c:a", "aac", "-b:a", "40k", "-ac", "1", "-ar", "22050"]
        # The file's own clock may begin later.
        words += [
            "-start_at_zero",
            "-avoid_negative_ts",
            "make_zero",
            "-movflags",
            "+faststart",
            "-y",
            str(copy),
        ]
        run = ffmpeg.execute(words, path.absolute(), 60.0 + TIMEOUT_SHARE * seconds)
        if run.returncode or not copy.exists():
            reason = first_complaint(run.stderr.splitlines())
            raise DecodeError(f"ffmpeg cannot make a small copy of it: {reason}")
        return copy.read_bytes()
