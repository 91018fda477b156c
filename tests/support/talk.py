"""Recordings that are joined from clips, as people have them: several minutes, several voices."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg


def join_films(clips: Sequence[Path], path: Path, *options: str) -> Path:
    """Writes the clips one after the other."""
    names = path.with_suffix(".files")
    names.write_text("".join(f"file '{clip.absolute()}'\n" for clip in clips))
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    command += ["-f", "concat", "-safe", "0", "-i", str(names)]
    command += ["-pix_fmt", "yuv420p", "-preset", "ultrafast", *options, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    names.unlink()
    return path
