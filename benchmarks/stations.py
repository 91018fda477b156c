"""In how many files functions run for one clip between `semanticmac cache` and its shard.

    python -m benchmarks.stations

One film of one second is cached in this process, and what a worker does is done here too. A
station is a file of the package in which at least one function runs. Set-up (options, corpora,
loading the encoder) is not counted.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import semanticmac
from benchmarks.common import film, report
from semanticmac.cache.layout import CacheLayout
from semanticmac.preprocess.build import BuildOptions, build
from semanticmac.preprocess.clip import Clip, Corpus
from semanticmac.preprocess.decoding.isolation import Job, decode_and_pack
from semanticmac.preprocess.encoders.imagebind.encoder import load_encoders

PACKAGE = str(Path(semanticmac.__file__).parent) + "/"


def visited(work: Callable[[], object]) -> list[str]:
    """The files of the package in which functions run, in the order of the first call."""
    files: dict[str, None] = {}

    def trace(frame: FrameType, event: str, argument: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(PACKAGE):
            files[name.removeprefix(PACKAGE)] = None

    sys.setprofile(trace)
    try:
        work()
    finally:
        sys.setprofile(None)
    return list(files)


@contextlib.contextmanager
def one_clip() -> Iterator[tuple[Path, Clip]]:
    """A folder with one film in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder, Clip("clip", film(folder / "clip.mp4", 1.0, "96x64"))


def main() -> None:
    encoder = load_encoders("imagebind-tiny", "cpu")
    with one_clip() as (folder, clip), contextlib.redirect_stdout(io.StringIO()):
        plan, layout = BuildOptions(folder, 1), CacheLayout(folder / "cache")
        corpus = Corpus("one", None, (clip,))
        builder = visited(lambda: build(corpus, layout, encoder, plan, lambda *_: None))
        worker = visited(lambda: decode_and_pack(Job(clip, plan.sampling)))

    report(
        "one clip passes through few files",
        "as few stations as its subjects allow",
        stations=len(set(builder + worker)),
        builder=builder,
        worker=worker,
    )


if __name__ == "__main__":
    main()
