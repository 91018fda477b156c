"""Time of a training step with fusion=prefix over a bare step of its decoder.

    python -m benchmarks.prefix_step [--rounds 5] [--tokens 128] [--layers 12] [--device cuda]
    python -m benchmarks.prefix_step --affect-tokens 4        # --set perceiver_tokens=4

The decoder has the shape of SmolLM-135M (width 576, 9 heads, 3 of keys) with random weights, LoRA
of rank 16 on all linear layers, and `--layers` layers. The bare step reads the same texts and has a
linear head on the last token: forward, backward, AdamW on the adapters and the head. The whole step
is that of training: perceivers, soft prompts, decoder, SGFI on the text's states, all heads and
losses, pseudo labels, AdamW. The steps take turns. Soft prompts and readout token make the input of
the decoder 2·n_m + 1 tokens longer; `same_length_ms` is the bare step with as many tokens more.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from transformers import AutoModel, LlamaConfig

from benchmarks.common import arguments, cores, interleaved, report, synchronised
from benchmarks.training_steps import BareStep, random_batch, trainer_of
from semanticmac.cache.batch import Batch
from semanticmac.model.language.finetuning import limit_learning
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.network import SemanticMAC
from semanticmac.train.batches import TrainBatch
from semanticmac.train.config import TrainConfig
from semanticmac.train.overrides import override
from semanticmac.train.toml_settings import preset

VOCABULARY = 8192


def decoder(layers: int, device: torch.device) -> LanguageModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=layers,
        num_attention_heads=9,
        num_key_value_heads=3,
    )
    return LanguageModel(AutoModel.from_config(config).to(device), frozen=True)


def bare_step(config: TrainConfig, layers: int, batch: Batch, more: int) -> BareStep:
    """A step of the decoder with its adapters, on texts that are `more` tokens longer."""
    language = decoder(layers, batch.token_ids.device)
    limit_learning(language, config.model)
    ids = nn.functional.pad(batch.token_ids, (0, more), value=5)
    longer = replace(batch, token_ids=ids, token_mask=torch.ones_like(ids, dtype=torch.bool))
    return BareStep(config, language, longer, position=-1)


def main() -> None:
    options = arguments(
        __doc__,
        rounds=5,
        tokens=128,
        layers=12,
        clips=8,
        affect_tokens=8,
        threads=cores(),
        device="cpu",
    )
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    settings = {
        "fusion": "prefix",
        "lora_rank": 16,
        "batch_size": options.clips,
        "perceiver_tokens": options.affect_tokens,
    }
    config = override(preset("mosi"), settings)
    config = replace(config, precision="float32")
    batch = random_batch(config, options.tokens, VOCABULARY).to(device)

    model = SemanticMAC(config.model, decoder(options.layers, device))
    trainer = trainer_of(config, model, device)
    more = 2 * config.model.perceiver_tokens + 1
    bare = bare_step(config, options.layers, batch, 0)
    longer = bare_step(config, options.layers, batch, more)
    rows = list(range(options.clips))

    def whole() -> None:
        trainer.step([TrainBatch(rows, batch.clip_ids, batch)])

    steps = [synchronised(step, device.type) for step in (bare.step, longer.step, whole)]
    bare_time, longer_time, whole_time = interleaved(options.rounds, *steps)
    report(
        "a step with fusion=prefix costs little more than a bare step of its decoder",
        "step_over_bare at most 1.15",
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        threads=options.threads,
        clips=options.clips,
        tokens=options.tokens,
        soft_prompts_and_readout=more,
        layers=options.layers,
        bare_ms=1000 * bare_time.wall_s,
        same_length_ms=1000 * longer_time.wall_s,
        step_ms=1000 * whole_time.wall_s,
        step_over_bare=whole_time.wall_s / bare_time.wall_s,
        step_over_bare_by_cpu=whole_time.cpu_s / bare_time.cpu_s,
        step_over_same_length_by_cpu=whole_time.cpu_s / longer_time.cpu_s,
    )


if __name__ == "__main__":
    main()
