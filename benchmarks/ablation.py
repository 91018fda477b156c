"""Time of an epoch from raw videos over the time of the same epoch from the cache.

    python -m benchmarks.ablation [--clips 20] [--huge-clips 4] [--threads N]

Both use the rendered demo corpus, its preset and its language model. From raw videos, an epoch
decodes and encodes every clip as `predict` does, and then takes the same training steps. A few
clips are measured, and their time is scaled to the train split. From the cache, an epoch reads,
pads and trains. The encoders are imagebind-tiny, and the architecture of imagebind-huge with random
weights, because the values of the weights do not change the time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.common import arguments, cores, interleaved, measured, report
from benchmarks.streams import StreamWriters
from semanticmac.cache.dataset import ClipDataset, make_dataloader
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.opening import StreamReader
from semanticmac.cache.streams import Streams
from semanticmac.core import FRAME_MODALITIES, Task
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.model.network import SemanticMAC
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.corpora.demo import render
from semanticmac.preprocess.embed import embed_clips
from semanticmac.preprocess.encoders.imagebind.encoder import ImageBindEncoder, load_encoders
from semanticmac.preprocess.encoders.imagebind.network import HUGE, ImageBind, draw_weights
from semanticmac.train.batches import TrainBatch
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.objectives.semantic_centric import SemanticCentric
from semanticmac.train.toml_settings import preset
from semanticmac.train.trainer import Trainer

TRAIN_CLIPS = 220  # of the demo's 320


def huge() -> Sequence[ImageBindEncoder]:
    """The official architecture without the official weights."""
    with torch.device("meta"):
        model = ImageBind(HUGE)
    model = model.to_empty(device="cpu")
    draw_weights(model, 0)
    encoders = []
    for modality in FRAME_MODALITIES:
        encoders.append(
            ImageBindEncoder(model, modality, "imagebind-huge", "none", trained=False, device="cpu")
        )
    return encoders


def streams_of(encoders: Sequence[ImageBindEncoder]) -> Streams:
    """The streams that these encoders make."""
    return Streams.group(encoder.fingerprint(Sampling()) for encoder in encoders)


def embed(
    clips: Sequence[Clip], encoders: Sequence[ImageBindEncoder], folder: Path
) -> tuple[float, list[Row]]:
    """Seconds of decoding and encoding per clip, and the rows of the cache that this writes."""
    writer = StreamWriters(CacheLayout(folder), streams_of(encoders))
    made = []

    def work() -> None:
        made.extend(embed_clips(clips, encoders, Sampling(), cores()))

    spent = measured(work)
    rows = []
    for embedded in made:
        clip, embeddings = embedded.clip, embedded.embeddings
        assert embeddings is not None, embedded.reason
        assert embeddings.vision is not None and embeddings.audio is not None
        writer.add(clip.clip_id, embeddings.vision, embeddings.audio)
        frames, label = len(embeddings.vision), clip.labels["multimodal"]
        assert isinstance(label, float)
        rows.append(
            Row(
                clip.clip_id,
                clip.clip_id,
                "",
                0.0,
                None,
                clip.text,
                "train",
                frames,
                frames / 2,
                True,
                True,
                [label],
            )
        )
    writer.finish()
    return spent.wall_s / len(clips), rows


def epoch_from_cache(
    encoders: Sequence[ImageBindEncoder], folder: Path, rows: Sequence[Row], rounds: int
) -> float:
    """Seconds of one epoch. The clips are repeated to the size of the demo's train split."""
    streams = streams_of(encoders)
    many = [replace(rows[i % len(rows)], clip_id=str(i)) for i in range(TRAIN_CLIPS)]
    manifest = Manifest("demo", Task("regression"), Sampling(), tuple(many))
    dataset = ClipDataset(manifest, StreamReader(CacheLayout(folder), streams), many)
    config = preset("demo")
    widths = streams.widths
    sizes = replace(config.model, vision_width=widths.vision, audio_width=widths.audio)
    config = replace(config, precision="float32", model=sizes)
    torch.manual_seed(0)
    model = SemanticMAC(config.model, LanguageModel.pretrained(config.model.language)).train()
    tokenize = Tokenizer.load(config.model.language, config.model.max_tokens)
    batches = make_dataloader(
        dataset, config.batch_size, tokenize, 1, shuffle=torch.Generator().manual_seed(0)
    )
    trainer = Trainer(
        config, Task("regression"), model, dataset.labels(1), len(batches), SINGLE_PROCESS
    )

    def epoch() -> None:
        for batch in batches:
            trainer.step([TrainBatch(batch.rows.tolist(), batch.clip_ids, batch)])
        assert isinstance(trainer.objective, SemanticCentric)
        trainer.objective.labels.epoch = 1
        trainer.objective.labels.update(2)

    [spent] = interleaved(rounds, epoch)
    return spent.wall_s


def main() -> None:
    options = arguments(__doc__, clips=20, huge_clips=4, rounds=3, threads=cores())
    torch.set_num_threads(options.threads)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = render(folder / "demo", seed=1, clips=options.clips).clips
        for short, encoders, some in (
            ("tiny", load_encoders("imagebind-tiny", "cpu"), clips),
            ("huge", huge(), clips[: options.huge_clips]),
        ):
            embed_s, rows = embed(some, encoders, folder / short)
            cached_s = epoch_from_cache(encoders, folder / short, rows, options.rounds)
            raw_s = embed_s * TRAIN_CLIPS + cached_s
            figures |= {
                f"{short}_raw_over_cached": raw_s / cached_s,
                f"{short}_embed_s_a_clip": embed_s,
                f"{short}_raw_epoch_s": raw_s,
                f"{short}_cached_epoch_s": cached_s,
            }
    report(
        "an epoch from the cache takes a fraction of one from raw videos",
        "huge_raw_over_cached at least 50",
        threads=options.threads,
        clips=options.clips,
        huge_clips=options.huge_clips,
        train_clips=TRAIN_CLIPS,
        **figures,
    )


if __name__ == "__main__":
    main()
