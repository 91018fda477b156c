"""A corpus of clips that show two people."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semanticmac.preprocess.demo.render import encode
from semanticmac.preprocess.demo.two_faces import shoot_pair


def render_pairs(root: Path, count: int, seed: int = 0) -> list[int]:
    """Writes `count` clips as a `folder` corpus (clips.csv, videos) and returns their speakers.

    Half of the clips are in train, a quarter each in valid and test; the labels are random.
    """
    root.mkdir(parents=True, exist_ok=True)
    rows, speakers = [], []
    for number in range(count):
        rng = np.random.default_rng((seed, 23, number))
        pair = shoot_pair(rng, words=int(rng.integers(4, 12)))
        name = f"pair_{number:03d}.mp4"
        encode(pair.film, root / name)
        split = ("train", "train", "valid", "test")[number % 4]
        label = round(float(rng.uniform(-3, 3)), 2)
        rows.append(f"{number:03d},{name},,{label},{split}\n")
        speakers.append(pair.speaker)
    (root / "clips.csv").write_text("clip_id,file,text,label,split\n" + "".join(rows))
    return speakers
