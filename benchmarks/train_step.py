"""Time of a whole training step over a bare fine-tuning step of its language model.

    python -m benchmarks.train_step [--rounds 7] [--threads N] [--device cuda --bf16]

The language model is BERT-base with random weights; a clip has 50 tokens and 16 frames, as in the
MOSI preset. The bare step has a linear head on the first token: forward, backward, AdamW. The whole
step is that of training (train/trainer.py): all modules, all losses, pseudo labels, the norm of the
gradients, AdamW. The steps take turns. `parts_ms` is the time of each other part alone; modules run
forward and backward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from benchmarks.common import arguments, cores, interleaved, report, synchronised
from benchmarks.gpu_timing import busy_share
from benchmarks.training_steps import TOKENS, BareStep, random_batch, trainer_of
from semanticmac.core import SUB_TASKS
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.network import Output, SemanticMAC
from semanticmac.train.batches import TrainBatch
from semanticmac.train.optim import make_optimizer
from semanticmac.train.toml_settings import preset

CONFIG = preset("mosi")
Step = Callable[[], object]


class Whole:
    """A training step as in the loop, and the modules of its model one by one."""

    def __init__(self, device: torch.device, bf16: bool) -> None:
        config = replace(CONFIG, precision="bfloat16" if bf16 else "float32")
        self.device, self.bf16 = device, bf16
        self.batch = random_batch(config).to(device)
        # BERT-base's shape; nothing is asked of the model hub.
        language = LanguageModel(BertModel(BertConfig()))
        self.model = SemanticMAC(config.model, language)
        self.trainer = trainer_of(config, self.model, device)
        self.rows = list(range(len(self.batch)))

    def step(self) -> None:
        self.trainer.step([TrainBatch(self.rows, self.batch.clip_ids, self.batch)])

    def parts(self) -> dict[str, Step]:
        """Each module except the language model, forward and backward, and the rest of a step."""
        batch, model, objective = self.batch, self.model, self.trainer.objective
        b, d = len(batch), CONFIG.model.d_model
        hidden = self.leaf(b, TOKENS, 768)
        tokens = [self.leaf(b, each, d) for each in (TOKENS, *[CONFIG.model.perceiver_tokens] * 2)]
        masks = [
            torch.ones(b, each.shape[1], dtype=torch.bool, device=self.device) for each in tokens
        ]
        evidence, init_distributed = [self.leaf(b, d) for _ in SUB_TASKS], self.leaf(b, 6 * d)
        output = Output(
            self.leaf(b, 5, 1),
            self.leaf(b, 3, d),
            self.leaf(b, 3, d),
            self.leaf(b, d),
            torch.ones_like(masks[1][:, :3]),
        )
        assert model.language is not None
        inner, learning = (
            {id(weight) for weight in model.language.parameters()},
            self.trainer.trainable,
        )
        rest = make_optimizer(
            [{"params": [weight for weight in learning if id(weight) not in inner]}]
        )
        for weight in learning:
            weight.grad = torch.zeros_like(weight)

        def heads() -> list[Tensor]:
            return [
                model.fuse(init_distributed),
                *(model.heads[name](x) for name, x in zip(SUB_TASKS, evidence, strict=True)),
            ]

        modules: dict[str, Callable[[], list[Tensor]]] = {
            "text_map": lambda: [model.project_text(hidden)],
            "perceiver_audio": lambda: [
                model.encode_frames("audio", batch.audio, batch.audio_mask)[0]
            ],
            "perceiver_vision": lambda: [
                model.encode_frames("vision", batch.vision, batch.vision_mask)[0]
            ],
            "interaction": lambda: [*model.interaction(tokens, masks)],
            "heads": heads,
            "losses": lambda: [objective.loss(output, batch.rows, batch.labels)["total"]],
        }
        return {name: self.forth_and_back(module) for name, module in modules.items()} | {
            "gradient_norm": lambda: nn.utils.clip_grad_norm_(learning, float("inf")),
            "optimizer": lambda: rest.step(),
            "record": lambda: objective.after_backward(output, batch.rows),
        }

    def leaf(self, *shape: int) -> Tensor:
        return torch.randn(*shape, device=self.device, requires_grad=True)

    def forth_and_back(self, module: Callable[[], list[Tensor]]) -> Step:
        def step() -> None:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                outputs = module()
            torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])

        return step


def main() -> None:
    options = arguments(__doc__, rounds=7, threads=cores(), device="cpu", bf16=False)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)
    whole = Whole(device, options.bf16)
    language = whole.model.language
    assert isinstance(language, LanguageModel)
    bare = BareStep(whole.trainer.config, language, whole.batch)
    steps = [synchronised(each, device.type) for each in (bare.step, whole.step)]
    theirs, ours = interleaved(options.rounds, *steps)
    parts = {name: synchronised(part, device.type) for name, part in whole.parts().items()}
    alone = interleaved(options.rounds, *parts.values())
    report(
        "a training step costs little more than fine-tuning its language model alone",
        "step_over_bare at most 1.15, never above 1.25",
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        bf16=options.bf16,
        threads=options.threads,
        bare_ms=1000 * theirs.wall_s,
        step_ms=1000 * ours.wall_s,
        step_over_bare=ours.wall_s / theirs.wall_s,
        step_over_bare_by_cpu=ours.cpu_s / theirs.cpu_s,
        parts_ms={
            name: round(1000 * spent.wall_s, 2) for name, spent in zip(parts, alone, strict=True)
        },
        gpu_busy=busy_share(whole.step, device),
    )


if __name__ == "__main__":
    main()
