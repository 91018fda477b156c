"""Shared by all tests: no network, few threads, and real little video files."""

import os
import subprocess
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # a name that cannot be reached would cost a minute of retries
SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real clips and label files that are not part of the project."""
    if not SHARED.is_dir():
        pytest.skip("the folder of real clips and label files is not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def film():
    """Writes a clip with ffmpeg: a moving test picture and a tone, `seconds` long; either of them can be left out."""
    import imageio_ffmpeg

    def make(path: Path, seconds: float = 2.0, *, picture: bool = True, sound: bool = True, extra: tuple = ()) -> Path:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
        if picture:
            command += ["-f", "lavfi", "-i", f"testsrc=size=96x64:rate=25:duration={seconds}"]
        if sound:
            command += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=16000:duration={seconds}"]
        subprocess.run([*command, "-pix_fmt", "yuv420p", *extra, str(path)], check=True, stdin=subprocess.DEVNULL)
        return path

    return make
