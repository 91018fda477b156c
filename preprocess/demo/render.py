"""Renders a demo corpus into a folder: clips.csv, spec.json and small .mp4 files (H.264, AAC)."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.demo.film import DRAWINGS_PER_S, Film, shoot
from semanticmac.preprocess.demo.plan import AGREEMENT, MIXTURE, NOISE, DemoSpec, Record, cast, plan
from semanticmac.preprocess.demo.voice import SAMPLE_RATE_HZ

COLUMNS = (
    "clip_id",
    "file",
    "text",
    "label",
    "label_text",
    "label_audio",
    "label_vision",
    "split",
    "speaker",
)
FPS = 2 * DRAWINGS_PER_S
ENCODING_LIMIT_S = 120  # One clip takes less than a second, so ffmpeg hangs after this time.

RenderProgress = Callable[[int, int], None]  # rendered clips, all clips


def film(spec: DemoSpec, record: Record) -> Film:
    """One uncompressed clip of the plan; it depends on spec and record alone."""
    face, voice = cast(spec, record.speaker_number)
    rng = np.random.default_rng((spec.seed, 3, record.index))
    return shoot(
        record.text, face, voice, record.label_vision, record.label_audio, rng, spec.size_px
    )


def render(
    root: Path, spec: DemoSpec, workers: int | None = None, progress: RenderProgress | None = None
) -> int:
    """Renders the missing clips of `spec` into root and returns their number.

    After an interruption it resumes: each clip is written to a temporary file and renamed, and
    clips.csv is written last. Raises CorpusError for a folder with other content.
    """
    _claim(root, spec)
    records = plan(spec)
    missing = [record for record in records if not (root / record.file).is_file()]
    done = len(records) - len(missing)
    with tempfile.TemporaryDirectory(dir=root, prefix=".rendering-") as aside:
        for _ in _render_clips(root, Path(aside), spec, missing, workers or os.cpu_count() or 1):
            done += 1
            if progress:
                progress(done, len(records))
    _write_aside(root / "clips.csv", _table(records))
    return len(missing)


def _render_clips(
    root: Path, aside: Path, spec: DemoSpec, records: list[Record], workers: int
) -> Iterator[None]:
    """Renders the records in `workers` processes; yields once for each finished clip."""
    if min(workers, len(records)) <= 1:
        for record in records:
            _render_clip(root, aside, spec, record)
            yield
        return
    # Processes are spawned, because a fork does not copy the threads of torch.
    pool = ProcessPoolExecutor(min(workers, len(records)), mp_context=get_context("spawn"))
    try:
        jobs = [pool.submit(_render_clip, root, aside, spec, record) for record in records]
        for job in as_completed(jobs):
            job.result()
            yield
    finally:
        # After a failure or Ctrl-C, only the clips in progress are finished.
        pool.shutdown(cancel_futures=True)


def _claim(root: Path, spec: DemoSpec) -> None:
    """Creates the folder of this spec. Raises CorpusError if it has other content."""
    wanted = asdict(spec) | {"mixture": MIXTURE, "noise": NOISE, "agreement": AGREEMENT}
    path = root / "spec.json"
    if path.is_file():
        try:
            existing = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            existing = None
        if existing != wanted:
            raise CorpusError(
                f"{root} holds the demo corpus {json.dumps(existing)}, "
                f"expected {json.dumps(wanted)}. "
                "Give another folder, or delete this one to render it again."
            )
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise CorpusError(
            f"{root} exists and is no rendered demo corpus (no spec.json). "
            "Give a new or an empty folder."
        )
    root.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        _write_aside(path, json.dumps(wanted, indent=2) + "\n")
    (root / "videos").mkdir(exist_ok=True)


def _write_aside(path: Path, text: str) -> None:
    """Writes a small file completely or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _table(records: list[Record]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        writer.writerow([getattr(record, column) for column in COLUMNS])
    return text.getvalue()


def _render_clip(root: Path, aside: Path, spec: DemoSpec, record: Record) -> None:
    """Writes one .mp4 in the folder `aside` and moves it to the corpus when it is complete."""
    unfinished = aside / f"{record.clip_id}.mp4"
    encode(film(spec, record), unfinished)
    unfinished.replace(root / record.file)


def encode(take: Film, path: Path) -> None:
    """Writes a film as .mp4 with one ffmpeg process of one thread.

    Raises RuntimeError with the end of ffmpeg's messages.
    """
    height, width = take.frames.shape[1:3]
    sound = path.with_suffix(".pcm")
    sound.write_bytes(take.waveform.astype("<i2").tobytes())
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y",
        "-threads", "1", "-filter_threads", "1",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}",
        "-framerate", str(DRAWINGS_PER_S), "-i", "-",
        "-f", "s16le", "-ar", str(SAMPLE_RATE_HZ), "-ac", "1", "-i", str(sound),
        "-map", "0:v", "-r", str(FPS),
        "-c:v", "libx264", "-preset", "superfast", "-bf", "0", "-crf", "27",
        "-pix_fmt", "yuv420p",
        "-map", "1:a", "-c:a", "aac", "-aac_coder", "fast", "-b:a", "48k",
        "-threads", "1", "-movflags", "+faststart", "-f", "mp4", str(path),
    ]  # fmt: skip
    try:
        ran = subprocess.run(
            command, input=take.frames.tobytes(), capture_output=True, timeout=ENCODING_LIMIT_S
        )
    finally:
        sound.unlink()
    if ran.returncode:
        reason = ran.stderr.decode(errors="replace").strip()[-500:]
        raise RuntimeError(f"ffmpeg could not write {path.name}: {reason}")
