"""Parts of the benchmarks of training: random clips, a trainer, and a bare fine-tuning step.

It needs torch and numpy, as benchmarks/gpu.py does.
"""

from __future__ import annotations

import torch
from torch import nn

from semanticmac.cache.batch import Batch
from semanticmac.core import Task
from semanticmac.model.build import Network
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.train.config import TrainConfig
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.optim import make_optimizer, parameter_groups
from semanticmac.train.trainer import Trainer

CLIPS = 1284  # of MOSI's train split
TOKENS, FRAMES = 50, 16


def random_batch(config: TrainConfig, tokens: int = TOKENS, vocabulary: int = 30_000) -> Batch:
    """`config.batch_size` clips without padding: `tokens` token ids, and FRAMES frames."""
    clips = config.batch_size
    real = torch.ones(clips, FRAMES, dtype=torch.bool)
    return Batch(
        clip_ids=tuple(map(str, range(clips))),
        rows=torch.arange(clips),
        token_ids=torch.randint(10, vocabulary, (clips, tokens)),
        token_mask=torch.ones(clips, tokens, dtype=torch.bool),
        vision=torch.randn(clips, FRAMES, config.model.vision_width),
        vision_mask=real,
        audio=torch.randn(clips, FRAMES, config.model.audio_width),
        audio_mask=real,
        labels=torch.randn(clips, 1),
    )


def trainer_of(config: TrainConfig, network: Network, device: torch.device) -> Trainer:
    """A trainer of regression on CLIPS random labels, with the network on the device."""
    truth = torch.randn(CLIPS, 1, device=device)
    steps = CLIPS // config.batch_size
    network = network.to(device).train()
    return Trainer(config, Task("regression"), network, truth, steps, SINGLE_PROCESS)


class BareStep:
    """A fine-tuning step of a language model: a linear head on one token, and its own AdamW.

    position: of the head's token in a text without padding; 0 is the first and -1 the last.
    """

    def __init__(
        self, config: TrainConfig, language: LanguageModel, batch: Batch, position: int = 0
    ) -> None:
        self.language, self.batch, self.position = language, batch, position
        self.device = batch.token_ids.device
        self.bfloat16 = config.precision == "bfloat16"
        self.head = nn.Linear(language.width, 1, device=self.device)
        both = nn.ModuleList([language, self.head])
        rates = (config.lr_language, config.lr_rest, config.weight_decay)
        self.optimizer = make_optimizer(parameter_groups(both, language, *rates))

    def step(self) -> None:
        batch = self.batch
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            state = self.language(batch.token_ids, batch.token_mask)[:, self.position]
            predictions = self.head(state.to(self.head.weight.dtype)).float()
            loss = (predictions - batch.labels).abs().mean()
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
