"""Runs in each process of the distributed tests: a list of jobs, as JSON on the command line.

gradients: writes losses and gradients of one step without dropout into FILE. train: trains a whole
run with a checkpoint after every step; the first process may be killed before a step.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from semanticmac.cache.dataset import make_dataloader
from semanticmac.cache.layout import CacheLayout
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.model.network import SemanticMAC
from semanticmac.model.registry import SEMANTICMAC
from semanticmac.train.batches import TrainBatch
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig, with_name
from semanticmac.train.data import open_data, resolve
from semanticmac.train.distributed import DistributedContext, init_distributed
from semanticmac.train.loop import train
from semanticmac.train.overrides import override
from semanticmac.train.seeding import seed_everything
from semanticmac.train.trainer import Trainer

CPU = torch.device("cpu")


def gradients(distributed: DistributedContext, about: dict[str, Any]) -> None:
    data = open_data(CacheLayout(Path(about["cache"])), "planted")
    config = resolve(override(TrainConfig("planted"), about["settings"]), data)
    seed_everything(config.seed)
    language = LanguageModel.pretrained(config.model.language)
    tokenize = Tokenizer.load(config.model.language, 32)
    trainer = Trainer(
        config, data.task, SemanticMAC(config.model, language), data.train.labels(1), 1, distributed
    )
    batches = about["batches"]
    shares = [distributed.share(batch) for batch in batches]
    local = make_dataloader(data.train, 1, tokenize, 1, batches=shares)
    rows = data.train.rows
    metrics = trainer.step(
        [
            TrainBatch(batch, [rows[row].clip_id for row in batch], share)
            for batch, share in zip(batches, local, strict=True)
        ]
    )
    found = {
        name: weight.grad
        for name, weight in trainer.model.named_parameters()
        if weight.grad is not None
    }
    lacking = [
        name
        for name, weight in trainer.model.named_parameters()
        if weight.requires_grad and weight.grad is None
    ]
    assert not lacking, lacking
    found |= {"numbers": metrics.values, "banks": trainer.objective.labels.banks}
    save_file(found, f"{about['file']}-{distributed.rank}")


def whole(distributed: DistributedContext, about: dict[str, Any]) -> None:
    data = open_data(CacheLayout(Path(about["cache"])), "planted")
    config = override(with_name("planted", about.get("model", SEMANTICMAC)), about["settings"])

    def progress(stage: str, done: int, total: int, failed: int) -> None:
        if distributed.is_main and done == about.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)

    run = Path(about["run"])
    train(
        config,
        data,
        run,
        CPU,
        Callbacks(progress=progress),
        resume=True,
        save_every_s=0.0,
        distributed=distributed,
    )


def do(distributed: DistributedContext, jobs: list[dict[str, Any]]) -> None:
    for job in jobs:
        {"gradients": gradients, "train": whole}[job["what"]](distributed, job)


def main() -> None:
    torch.set_num_threads(1)
    with init_distributed() as distributed:
        do(distributed, json.loads(sys.argv[1]))
    os._exit(0)  # as cli.main does


if __name__ == "__main__":
    main()
