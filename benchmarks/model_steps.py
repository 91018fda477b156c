"""Time of a training step of every model over a bare step of its language model.

    python -m benchmarks.model_steps [--models mult,misa] [--rounds 3] [--clips 32]

The language model is BERT-base with random weights; a clip has 50 tokens and 16 frames of 1,024
numbers, as in the MOSI preset. The bare step has a linear head on the first token. Each model has
its default settings and all its losses. Its steps and the bare steps take turns.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from transformers import BertConfig, BertModel

from benchmarks.common import arguments, cores, interleaved, report
from benchmarks.training_steps import BareStep, random_batch, trainer_of
from semanticmac.cache.batch import Batch
from semanticmac.model.build import build_network
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.registry import BUILT_IN, SEMANTICMAC
from semanticmac.train.batches import TrainBatch
from semanticmac.train.toml_settings import preset


def bert_base() -> LanguageModel:
    """The shape of BERT-base; nothing is asked of the model hub."""
    torch.manual_seed(0)
    return LanguageModel(BertModel(BertConfig()))


def ratio(name: str, batch: Batch, bare: BareStep, rounds: int) -> tuple[float, float]:
    """Wall and CPU time of the model's step over those of the bare step."""
    config = replace(preset("mosi", model=name), precision="float32", batch_size=len(batch))
    trainer = trainer_of(config, build_network(config.model, bert_base()), torch.device("cpu"))
    rows = list(range(len(batch)))

    def whole() -> None:
        trainer.step([TrainBatch(rows, batch.clip_ids, batch)])

    theirs, ours = interleaved(rounds, bare.step, whole)
    return ours.wall_s / theirs.wall_s, ours.cpu_s / theirs.cpu_s


def main() -> None:
    options = arguments(__doc__, models="", rounds=3, clips=32, threads=cores())
    torch.set_num_threads(options.threads)
    config = replace(preset("mosi"), precision="float32", batch_size=options.clips)
    batch = random_batch(config)
    bare = BareStep(config, bert_base().train(), batch)
    # These two read no text, or no more than the bare step does.
    names = [name for name in BUILT_IN if name not in ("audio", "vision")] + [SEMANTICMAC]
    if options.models:
        names = options.models.split(",")
    by_wall, by_cpu = {}, {}
    for name in names:
        wall, cpu = ratio(name, batch, bare, options.rounds)
        by_wall[name], by_cpu[name] = round(wall, 3), round(cpu, 3)
        print(f"{name}: {wall:.3f} by wall, {cpu:.3f} by CPU", flush=True)
    report(
        "no model's step costs much more than that of its language model alone",
        "step_over_bare at most 1.3",
        threads=options.threads,
        clips=options.clips,
        step_over_bare=by_wall,
        step_over_bare_by_cpu=by_cpu,
        slowest=max(by_wall, key=lambda name: by_wall[name]),
    )


if __name__ == "__main__":
    main()
