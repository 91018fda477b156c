"""How often the right one of two faces is chosen, on rendered clips in which one person speaks.

    python -m benchmarks.faces [--clips 100] [--seed 31]

Each clip is an H.264 file of two drawn people, decoded like any other, with the detector of drawn
faces. A clip counts as right where the chosen face is the speaker's in all rows. `restless` is the
share of the time in which the listener moves the lips without a voice. The same clips are measured
with 6 frames a second, as `cache` does, and with the 2 a second that the cache stores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from semanticmac.cache.face_records import NO_FACE, FaceClip
from semanticmac.cache.frame_codec import pack, unpack
from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decoding.decode import decode_clip
from semanticmac.preprocess.demo.render import encode
from semanticmac.preprocess.demo.two_faces import shoot_pair
from semanticmac.preprocess.faces.find_all import FindJob, dense_frames
from semanticmac.preprocess.faces.finder import DENSE_PER_ROW, DRAWN, FinderSpec, open_finder

LEVELS = (0.0, 0.15, 0.3, 0.6)
SPEC = FinderSpec(DRAWN)


def is_right(faces: FaceClip, speaker: int, width: int) -> bool:
    """Whether every row shows the speaker, who is in the left (0) or the right half (1)."""
    if faces.crops is None or NO_FACE in faces.chosen:
        return False
    middles = [(left + right) / 2 for left, _, right, _ in faces.squares]
    return all((middle > width / 2) == bool(speaker) for middle in middles)


def measure(folder: Path, seed: int, level: float, count: int) -> dict[str, float]:
    """The shares of clips with the right face at one level of restlessness."""
    finder, sampling = open_finder(SPEC), Sampling()
    right = {"6 per s": 0, "2 per s": 0}
    for number in range(count):
        rng = np.random.default_rng((seed, round(100 * level), number))
        pair = shoot_pair(rng, restless=level, words=int(rng.integers(4, 12)))
        path = folder / "pair.mp4"
        encode(pair.film, path)
        clip = Clip("pair", path)
        record = pack(decode_clip(clip, sampling), sampling)
        raw = unpack(record)
        assert raw.frames is not None
        dense = dense_frames(FindJob(clip, record, SPEC, sampling), raw)
        for name, frames in (("6 per s", dense), ("2 per s", None)):
            faces = finder.find(raw, frames)
            right[name] += is_right(faces, pair.speaker, raw.frames.shape[2])
        path.unlink()
    return {name: round(hits / count, 3) for name, hits in right.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=100, help="of each level of restlessness")
    parser.add_argument("--seed", type=int, default=31)
    asked = parser.parse_args()
    shares = {}
    with tempfile.TemporaryDirectory() as folder:
        for level in LEVELS:
            measured = measure(Path(folder), asked.seed, level, asked.clips)
            shares[f"restless {level:g}"] = measured
    report = {
        "clips per level": asked.clips,
        "seed": asked.seed,
        "frames per row": DENSE_PER_ROW,
        "right speaker": shares,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
