"""Measures imagebind-tiny on the demo corpus for the table of its model card.

    python -m benchmarks.tiny_probe

It renders and caches the corpus, measures, and writes the table into docs/imagebind-tiny.md.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.opening import StreamReader, open_cached
from semanticmac.core import FRAME_MODALITIES
from semanticmac.preprocess.build import BuildOptions, build
from semanticmac.preprocess.clip import RawClip
from semanticmac.preprocess.corpora.demo import render
from semanticmac.preprocess.demo.face import random_face
from semanticmac.preprocess.demo.film import DRAWINGS_PER_S, shoot
from semanticmac.preprocess.demo.phones import babble
from semanticmac.preprocess.demo.training.pool import random_stream
from semanticmac.preprocess.demo.voice import random_voice
from semanticmac.preprocess.encoders.imagebind.encoder import (
    TINY_SEED,
    ImageBindEncoder,
    load_encoders,
    weights_digest,
)
from semanticmac.preprocess.encoders.imagebind.network import TINY, ImageBind, draw_weights
from semanticmac.preprocess.encoders.protocol import FRAMES_PER_S

CARD = Path(__file__).parents[1] / "docs" / "imagebind-tiny.md"
SEED = 1  # of the demo corpus, as `semanticmac demo` renders it
# Candidates of one retrieval, and how often they are drawn from the rendered pairs.
PAIRS, DRAWS = 64, 20
RENDERED_PAIRS = 128
Pair = Sequence[ImageBindEncoder]  # vision and audio


@dataclass(frozen=True)
class Measured:
    """Results of one encoder: correlations on test speakers and retrieval recalls."""

    vision: float
    audio: float
    sound_to_picture: float
    picture_to_sound: float


def untrained() -> Pair:
    """The same architecture before training."""
    model = ImageBind(TINY)
    draw_weights(model, TINY_SEED)
    digest = weights_digest(model)
    encoders = []
    for modality in FRAME_MODALITIES:
        encoders.append(
            ImageBindEncoder(model, modality, "imagebind-tiny", digest, trained=False, device="cpu")
        )
    return encoders


def read_out(reader: StreamReader, manifest: Manifest, modality: str) -> float:
    """Correlation of a ridge regression from single embeddings to the affect, on test speakers.

    Fitted on frames of the train speakers; the penalty is chosen by leaving some of these out.
    """

    def frames(split: str) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
        rows = manifest.split(split)
        embeddings = [
            np.asarray(getattr(reader.get(row.key), modality), np.float64) for row in rows
        ]
        truth = np.repeat(
            [_truth(row, modality) for row in rows], [len(each) for each in embeddings]
        )
        people = [
            str(row.speaker) for row, each in zip(rows, embeddings, strict=True) for _ in each
        ]
        return np.concatenate(embeddings), truth, people

    inputs, truth, people = frames("train")
    model = make_pipeline(StandardScaler(), Ridge())
    search = GridSearchCV(model, {"ridge__alpha": np.logspace(-1, 4, 11)}, cv=GroupKFold(5))
    search.fit(inputs, truth, groups=people)
    unseen, expected, _ = frames("test")
    return float(np.corrcoef(search.predict(unseen), expected)[0, 1])


def _truth(row: Row, modality: str) -> float:
    label = getattr(row, f"label_{modality}")
    assert label is not None
    return float(label[0])


def pairs() -> list[RawClip]:
    """Clips of random people. Face and voice have the same affect, evenly over −3 … 3."""
    rng = random_stream(SEED, 5)
    clips = []
    for affect in np.linspace(-3, 3, RENDERED_PAIRS):
        take = shoot(
            babble(8, rng), random_face(rng), random_voice(rng), float(affect), float(affect), rng
        )
        frames = take.frames[:: DRAWINGS_PER_S // FRAMES_PER_S]
        clips.append(RawClip(frames, take.waveform, len(take.waveform) / 16_000))
    return clips


def _means(encoder: ImageBindEncoder, clips: list[RawClip]) -> NDArray[np.float64]:
    """The mean embedding of every clip."""
    means = []
    for clip in clips:
        rows = encoder.encode(clip)
        assert rows is not None
        means.append(rows.astype(np.float64).mean(0))
    return np.stack(means)


def retrieval(encoders: Pair, clips: list[RawClip]) -> tuple[float, float]:
    """recall@1 among 64, audio → frame and frame → audio.

    Clips are compared by the cosine of their mean embeddings, centred in each modality.
    """
    vision, audio = (_means(encoder, clips) for encoder in encoders)
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(DRAWS):
        chosen = rng.choice(len(clips), PAIRS, replace=False)
        ours, theirs = _unit(vision[chosen]), _unit(audio[chosen])
        alike = ours @ theirs.T
        own = np.arange(PAIRS)
        found.append(((alike.argmax(0) == own).mean(), (alike.argmax(1) == own).mean()))
    sound, picture = np.mean(found, axis=0)
    return float(sound), float(picture)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = rows - rows.mean(0)
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True))


def measure(encoders: Pair, folder: Path, clips: list[RawClip], workers: int) -> Measured:
    corpus = render(folder / "demo", seed=SEED, workers=workers)
    layout = CacheLayout(folder / "cache")
    build(corpus, layout, encoders, BuildOptions(folder / "demo", workers), lambda *_: None)
    opened = open_cached(layout, "demo")
    manifest, reader = opened.manifest, opened.reader
    return Measured(
        read_out(reader, manifest, "vision"),
        read_out(reader, manifest, "audio"),
        *retrieval(encoders, clips),
    )


def table(before: Measured, after: Measured) -> str:
    """The table of the model card, with the values of guessing."""
    rows = (
        (
            "one frame → the face's affect, correlation, test speakers",
            before.vision,
            after.vision,
            "0",
        ),
        (
            "one 2 s window → the voice's affect, correlation, test speakers",
            before.audio,
            after.audio,
            "0",
        ),
        (
            "sound → its picture among 64, recall@1",
            before.sound_to_picture,
            after.sound_to_picture,
            f"{1 / PAIRS:.3f}",
        ),
        (
            "picture → its sound among 64, recall@1",
            before.picture_to_sound,
            after.picture_to_sound,
            f"{1 / PAIRS:.3f}",
        ),
    )
    lines = ["| | random weights | these weights | chance |", "| --- | --- | --- | --- |"]
    lines += [f"| {what} | {old:.3f} | {new:.3f} | {chance} |" for what, old, new, chance in rows]
    return "\n".join(lines)


def put(page: Path, name: str, text: str) -> None:
    """Replaces the text between <!-- name --> and <!-- /name -->."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{page} has no {begin} … {end} to write between")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument(
        "--folder",
        type=Path,
        default=Path("data/tiny/probe"),
        help="the rendered corpus and its cache",
    )
    words.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    words.add_argument(
        "--weights", default="imagebind-tiny", help="another weights file; printed, not written"
    )
    asked = words.parse_args()
    clips = pairs()
    found = [
        measure(each, asked.folder, clips, asked.workers)
        for each in (untrained(), load_encoders(asked.weights, "cpu"))
    ]
    text = table(found[0], found[1])
    print(text)
    if asked.weights == "imagebind-tiny":
        put(CARD, "measured", text)


if __name__ == "__main__":
    main()
