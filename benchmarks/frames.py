"""How fast clips are decoded, beside ffmpeg alone on the same files with as many processes.

    python -m benchmarks.frames [--clips 100] [--segments 200] [--workers N] [--rounds 3]

`short`: H.264 clips of 640 × 360 pixels and 5 s with audio; `large`: of 1280 × 720, a quarter as
many. `long`: one file, cut into segments of
3 s; to decode each segment from the start of the file would cost a hundred readings of the file.
ffmpeg decodes and scales the frames and discards them. Stage 1 also reads the audio, packs both and
starts its workers, which costs as much as a few clips. The figures are medians over rounds in which
ffmpeg and stage 1 take turns.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.common import arguments, cores, film, interleaved, report
from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decoding import ffmpeg_program as ffmpeg
from semanticmac.preprocess.decoding.isolation import decode_all

SEGMENT_S = 3.0
DIFFERENT = 8  # films that are rendered; the others are links to them
LARGE_DIFFERENT = 3


def ffmpeg_alone(files: Sequence[Path], processes: int) -> None:
    """Pictures at 2 a second, short side 224, to nowhere."""

    def one(file: Path) -> None:
        scale = ["-vf", "fps=2,scale=-2:224", "-an", "-f", "null", "-"]
        subprocess.run(
            [ffmpeg.program(), "-nostdin", "-v", "error", "-threads", "1", "-i", str(file), *scale],
            check=True,
        )

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(one, files))


def stage_1(clips: Sequence[Clip], workers: int) -> None:
    for outcome in decode_all(clips, Sampling(), workers):
        assert outcome.record is not None, outcome.reason


def main() -> None:
    options = arguments(__doc__, clips=100, segments=200, workers=cores(), rounds=3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = [film(folder / f"{'x' * i}.mp4", 5.0) for i in range(1, DIFFERENT + 1)]
        files = [films[i % DIFFERENT] for i in range(options.clips)]
        clips = [Clip(str(i), file) for i, file in enumerate(files)]
        theirs, ours = interleaved(
            options.rounds,
            lambda: ffmpeg_alone(files, options.workers),
            lambda: stage_1(clips, options.workers),
        )
        large_films = [
            film(folder / f"{'y' * i}.mp4", 5.0, "1280x720") for i in range(1, LARGE_DIFFERENT + 1)
        ]
        large_files = [large_films[i % LARGE_DIFFERENT] for i in range(options.clips // 4)]
        large_clips = [Clip(str(i), file) for i, file in enumerate(large_files)]
        large_theirs, large_ours = interleaved(
            options.rounds,
            lambda: ffmpeg_alone(large_files, options.workers),
            lambda: stage_1(large_clips, options.workers),
        )
        long = film(folder / "long.mp4", options.segments * SEGMENT_S, "320x180")
        segments = [
            Clip(str(i), long, i * SEGMENT_S, (i + 1) * SEGMENT_S) for i in range(options.segments)
        ]
        once, cut = interleaved(
            options.rounds,
            lambda: ffmpeg_alone([long], 1),
            lambda: stage_1(segments, options.workers),
        )
        report(
            "decoding is about as fast as ffmpeg, and a long file is not read once per segment",
            "short_ and large_of_ffmpeg at least 1.0, long_cpu_over_one_reading at most 2.0",
            workers=options.workers,
            clips=options.clips,
            kbit_per_s=films[0].stat().st_size * 8 / 5 / 1000,
            short_clips_per_s=options.clips / ours.wall_s,
            short_of_ffmpeg=theirs.wall_s / ours.wall_s,
            short_of_ffmpeg_by_cpu=theirs.cpu_s / ours.cpu_s,
            cpu_ms_a_clip=1000 * ours.cpu_s / options.clips,
            ffmpeg_cpu_ms_a_clip=1000 * theirs.cpu_s / options.clips,
            large_clips=len(large_clips),
            large_of_ffmpeg=large_theirs.wall_s / large_ours.wall_s,
            large_of_ffmpeg_by_cpu=large_theirs.cpu_s / large_ours.cpu_s,
            segments=options.segments,
            long_segments_per_s=options.segments / cut.wall_s,
            long_cpu_over_one_reading=cut.cpu_s / once.cpu_s,
        )


if __name__ == "__main__":
    main()
