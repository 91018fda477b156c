"""What a large corpus costs: rates of one core and bytes of one clip, times the number of clips.

    python -m benchmarks.scale [--clips 16] [--seconds 7.3]

Each clip is a file of 640 × 360 pixels with sound. Rates are CPU time of one core, without the
start of the worker. For imagebind-huge, two blocks of each tower are timed with random weights and
multiplied, since all blocks of a tower are alike. The bytes of its embeddings are those of
imagebind-tiny times the ratio of the widths. Everything under `extrapolated` is computed, not
measured. A GPU is not measured: hours = clips / (clips per second of a GPU × GPUs) / 3600.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.common import arguments, film, measured, report
from semanticmac.cache.frame_codec import unpack
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.records import RawClip
from semanticmac.preprocess.build import BuildOptions, build
from semanticmac.preprocess.clip import Clip, Corpus
from semanticmac.preprocess.decoding.isolation import decode_all
from semanticmac.preprocess.encoders.imagebind.encoder import ImageBindEncoder, load_encoders
from semanticmac.preprocess.encoders.imagebind.network import (
    HUGE,
    ImageBind,
    ImageBindConfig,
    TowerConfig,
    draw_weights,
)

CORPORA = {"mosei": 23_000, "ten_million": 10_000_000}
BLOCKS = 2


def decoded(clips: Sequence[Clip]) -> list[RawClip]:
    """The clips, decoded by one worker; failed ones are left out."""
    return [
        unpack(outcome.record)
        for outcome in decode_all(clips, Sampling(), 1)
        if outcome.record is not None
    ]


def seconds_a_clip(encoders: Sequence[ImageBindEncoder], raws: Sequence[RawClip]) -> float:
    """CPU seconds that these encoders take for one clip."""

    def encode(raw: RawClip) -> None:
        for encoder in encoders:
            encoder.encode(raw)

    encode(raws[0])
    return measured(lambda: [encode(raw) for raw in raws]).cpu_s / len(raws)


def main() -> None:
    options = arguments(__doc__, clips=16, seconds=7.3)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [
            film(folder / f"{'x' * i}.mp4", options.seconds) for i in range(1, options.clips + 1)
        ]
        clips = tuple(Clip(str(i), file) for i, file in enumerate(files))
        first, all_ = measured(lambda: decoded(clips[:1])), measured(lambda: decoded(clips))
        decode_s = (all_.cpu_s - first.cpu_s) / (len(clips) - 1)
        tiny, layout = load_encoders("imagebind-tiny", "cpu"), CacheLayout(folder / "cache")
        build(Corpus("films", None, clips), layout, tiny, BuildOptions(folder, 1), lambda *_: None)
        record_bytes = (layout.frames / "data.mdb").stat().st_size / len(clips)
        shards = layout.root.glob("embeddings/*/shard-*.arrow")
        tiny_bytes = sum(shard.stat().st_size for shard in shards) / len(clips)
        huge_bytes = tiny_bytes * HUGE.output / tiny[0].width
        raws = decoded(clips)
    assert raws[0].frames is not None
    rows = len(raws[0].frames)
    tiny_s = seconds_a_clip(tiny, raws)
    towers = [TowerConfig(each.width, BLOCKS, each.heads) for each in (HUGE.vision, HUGE.audio)]
    model = ImageBind(ImageBindConfig(*towers, HUGE.output, HUGE.picture_px))
    draw_weights(model, 0)
    huge_s = 0.0
    for modality, tower in (("vision", HUGE.vision), ("audio", HUGE.audio)):
        cut = ImageBindEncoder(model, modality, "cut", "", False, "cpu")
        huge_s += seconds_a_clip([cut], raws[:1]) * tower.blocks / BLOCKS
    report(
        "a large corpus is a matter of machines",
        "figures for docs/stage1.md",
        clip_s=options.seconds,
        rows_a_clip=rows,
        decode_clips_per_s_a_core=1 / decode_s,
        tiny_rows_per_s_a_core=rows / tiny_s,
        huge_rows_per_s_a_core=rows / huge_s,
        lmdb_bytes_a_clip=record_bytes,
        tiny_embedding_bytes_a_clip=tiny_bytes,
        extrapolated={
            corpus: {
                "clips": count,
                "decode_core_hours": round(count * decode_s / 3600, 1),
                "tiny_core_hours": round(count * tiny_s / 3600, 1),
                "huge_core_hours": round(count * huge_s / 3600, 1),
                "lmdb_gb": round(count * record_bytes / 1e9, 1),
                "tiny_embeddings_gb": round(count * tiny_bytes / 1e9, 2),
                "huge_embeddings_gb": round(count * huge_bytes / 1e9, 2),
            }
            for corpus, count in CORPORA.items()
        },
    )


if __name__ == "__main__":
    main()
