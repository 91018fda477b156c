"""Text-only training of this project against a bare fine-tuning loop: same model, rates and seeds.

    python -m benchmarks.bare_loop                                # the sentences of the demo corpus
    python -m benchmarks.bare_loop --folder DIR --clips 2000      # DIR/clips.csv: text,label,split

The bare loop is plain torch and transformers: AutoModel, the mean of its hidden states, dropout and
one linear layer, AdamW. It shares with the project the pre-trained weights, the batch size, both
learning rates, weight decay, the warm-up over the first epoch, the number of epochs and the choice
of the best epoch on validation. The test split is scored once, with the weights of that epoch.
Rows: `bare`, `text` (`train --model text`, the same network inside the project), and `semanticmac`
(its network with the text alone, all losses on).
"""

from __future__ import annotations

import csv
import math
import statistics
import tempfile
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from benchmarks.common import arguments, report
from benchmarks.streams import StreamWriters, made_up
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.stream_catalogue import record_last
from semanticmac.core import SPLITS, Task
from semanticmac.eval.eval_data import EvalData
from semanticmac.hub import quiet_transformers
from semanticmac.model.config import ModelConfig
from semanticmac.model.language.pretrained import locate
from semanticmac.preprocess.demo.plan import DemoSpec, plan
from semanticmac.run.predictions import Predictions
from semanticmac.run.weights import load_run
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override
from semanticmac.train.validation import validation_score

CPU = torch.device("cpu")
NAME = "sentences"
LANGUAGE = "all-minilm-l6-v2"
DROPOUT, DECAY, LR_LANGUAGE, LR_REST, BATCH, MAX_TOKENS = 0.1, 1e-3, 4e-5, 5e-4, 32, 64
SETTINGS: dict[str, Any] = {
    "language": LANGUAGE,
    "lr_language": LR_LANGUAGE,
    "lr_rest": LR_REST,
    "weight_decay": DECAY,
    "batch_size": BATCH,
    "max_tokens": MAX_TOKENS,
    "dropout": DROPOUT,
}


@dataclass(frozen=True)
class Sentence:
    text: str
    label: list[float]
    split: str


@dataclass(frozen=True)
class Sentences:
    """Labelled texts in three splits."""

    task: Task
    rows: list[Sentence]

    def of(self, split: str) -> tuple[list[str], Tensor]:
        """The texts of a split and their labels (N, K)."""
        rows = [row for row in self.rows if row.split == split]
        return [row.text for row in rows], torch.tensor([row.label for row in rows])


def demo_sentences(clips: int) -> Sentences:
    """The lines of the demo corpus with their sentiment."""
    rows = []
    for record in plan(DemoSpec(seed=0, clips=clips)):
        rows.append(Sentence(record.text, [record.label_text], record.split))
    return Sentences(Task("regression", low=-3.0, high=3.0), rows)


def folder_sentences(folder: Path, clips: int) -> Sentences:
    """The first clips of each split of a clips.csv: 11 : 2 : 3, as in the demo corpus."""
    with (folder / "clips.csv").open(encoding="utf-8", newline="") as file:
        table = [row for row in csv.DictReader(file) if row["text"].strip() and row["label"]]
    kept: list[dict[str, str]] = []
    for split, share in zip(SPLITS, (11, 2, 3), strict=True):
        rows = [row for row in table if row["split"] == split]
        kept += rows[: clips * share // 16]

    names = sorted({row["label"] for row in kept})
    if set(names) <= {"0", "1"}:
        task = Task("binary", ("0", "1"))
    elif all(name.lstrip("+-").replace(".", "", 1).isdigit() for name in names):
        scores = [float(name) for name in names]
        task = Task("regression", low=min(scores), high=max(scores))
    else:
        task = Task("single-label", tuple(names))
    sentences = []
    for row in kept:
        label = [float(name == row["label"]) for name in names]
        if task.kind != "single-label":
            label = [float(row["label"])]
        sentences.append(Sentence(row["text"], label, row["split"]))
    return Sentences(task, sentences)


def write_cache(layout: CacheLayout, sentences: Sentences) -> None:
    """A cache whose clips have these texts, and frames that say nothing."""
    streams = made_up("blank", 4)
    writer = StreamWriters(layout, streams)
    rows = []
    frame = np.zeros((1, 4), np.float16)
    for number, sentence in enumerate(sentences.rows):
        key = f"{number:032x}"
        writer.add(key, frame, frame)
        rows.append(
            Row(
                clip_id=f"sentence{number}",
                key=key,
                video="",
                start_s=0.0,
                end_s=None,
                text=sentence.text,
                split=sentence.split,
                frames=1,
                duration_s=0.5,
                has_vision=True,
                has_audio=True,
                label=sentence.label,
            )
        )
    writer.finish()
    record_last(layout, NAME, streams.all)
    Manifest(NAME, sentences.task, Sampling(), tuple(rows)).write(layout.manifest(NAME))


class BareModel(nn.Module):
    """A pre-trained encoder, the mean of its hidden states, and one linear layer."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        with quiet_transformers():
            self.encoder = AutoModel.from_pretrained(locate(LANGUAGE), trust_remote_code=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(self.encoder.config.hidden_size, outputs)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        hidden = self.encoder(**inputs).last_hidden_state  # (B, L, D)
        mask = inputs["attention_mask"][..., None]
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return self.head(self.dropout(mean))


def bare_scores(sentences: Sentences, seed: int, epochs: int) -> tuple[float, float]:
    """Validation and test score of the epoch that is the best on validation."""
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(locate(LANGUAGE), trust_remote_code=False)
    model = BareModel(sentences.task.width)
    optimizer = torch.optim.AdamW(bare_groups(model), fused=True)
    texts, labels = sentences.of("train")
    steps = math.ceil(len(texts) / BATCH)
    warm_up = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / steps)
    )
    best, best_weights, higher = math.nan, model.state_dict(), False
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(texts)).split(BATCH):
            inputs = tokenize(tokenizer, [texts[row] for row in rows.tolist()])
            loss = bare_loss(model(inputs), labels[rows], sentences.task)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            warm_up.step()
        score, higher = bare_score(model, tokenizer, sentences, "valid")
        if math.isnan(best) or (score > best) == higher:
            best, best_weights = score, deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    return best, bare_score(model, tokenizer, sentences, "test")[0]


def bare_groups(model: BareModel) -> list[dict[str, Any]]:
    """Two learning rates; biases and norms are not decayed."""
    groups: list[dict[str, Any]] = []
    for part, rate in ((model.encoder, LR_LANGUAGE), (model.head, LR_REST)):
        for matrices, decay in ((True, DECAY), (False, 0.0)):
            weights = [weight for weight in part.parameters() if (weight.dim() > 1) == matrices]
            groups.append({"params": weights, "lr": rate, "weight_decay": decay})
    return groups


def tokenize(tokenizer: Any, texts: Sequence[str]) -> dict[str, Tensor]:
    encoded = tokenizer(
        texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    )
    return {name: encoded[name] for name in ("input_ids", "attention_mask")}


def bare_loss(predictions: Tensor, labels: Tensor, task: Task) -> Tensor:
    if task.kind == "regression":
        return nn.functional.l1_loss(predictions, labels)
    if task.kind == "single-label":
        return nn.functional.cross_entropy(predictions, labels)
    return nn.functional.binary_cross_entropy_with_logits(predictions, labels)


@torch.inference_mode()
def bare_score(
    model: BareModel, tokenizer: Any, sentences: Sentences, split: str
) -> tuple[float, bool]:
    """The score of a split by the project's rule, and whether higher is better."""
    model.eval()
    texts, labels = sentences.of(split)
    outputs = []
    for start in range(0, len(texts), BATCH):
        outputs.append(model(tokenize(tokenizer, texts[start : start + BATCH])))
    return scored(sentences.task, labels.numpy(), torch.cat(outputs).numpy())


def scored(task: Task, truth: np.ndarray, predicted: np.ndarray) -> tuple[float, bool]:
    """Loss of a regression, else weighted F1."""
    outputs = np.repeat(predicted[:, None], 5, axis=1)  # (N, 5, K), one a sub-task
    present = np.ones((len(truth), 3), bool)
    clip_ids = tuple(map(str, range(len(truth))))
    score = validation_score(task, Predictions(clip_ids, truth, outputs, present), "l1")
    return score.value, score.higher_is_better


def project_scores(
    model: str, layout: CacheLayout, task: Task, seed: int, epochs: int
) -> tuple[float, float]:
    """The same for a training of the project."""
    settings = SETTINGS | {"epochs": epochs, "modalities": ["text"], "seed": seed}
    config = override(TrainConfig(NAME, model=ModelConfig(model)), settings)
    with tempfile.TemporaryDirectory() as folder:
        info = train(config, open_data(layout, NAME), Path(folder), CPU)
        data = EvalData.open(load_run(Path(folder), CPU), layout, CPU)
        predictions = data.predict(data.rows("test"))
    return info.valid_score, scored(task, predictions.truth, predictions.multimodal)[0]


def main() -> None:
    options = arguments(__doc__, folder="", clips=480, seeds=3, epochs=4, threads=2)
    torch.set_num_threads(options.threads)
    sentences = demo_sentences(options.clips)
    if options.folder:
        sentences = folder_sentences(Path(options.folder), options.clips)

    rows: dict[str, list[tuple[float, float]]] = {"bare": [], "text": [], "semanticmac": []}
    with tempfile.TemporaryDirectory() as folder:
        layout = CacheLayout(Path(folder))
        write_cache(layout, sentences)
        # In turn, so that a disturbance of the machine hits all.
        for seed in range(1, options.seeds + 1):
            rows["bare"].append(bare_scores(sentences, seed, options.epochs))
            for model in ("text", "semanticmac"):
                scores = project_scores(model, layout, sentences.task, seed, options.epochs)
                rows[model].append(scores)

    figures: dict[str, object] = {}
    for name, scores in rows.items():
        figures[f"{name}_valid"] = summary([valid for valid, _ in scores])
        figures[f"{name}_test"] = summary([test for _, test in scores])
    metric = "L1 loss" if sentences.task.kind == "regression" else "weighted F1"
    report(
        "text-only training of the project is as good as a bare fine-tuning loop",
        "the difference of two rows is within the spread over seeds",
        metric=metric,
        sentences=len(sentences.rows),
        seeds=options.seeds,
        epochs=options.epochs,
        **figures,
    )


def summary(values: Sequence[float]) -> str:
    """Mean ± sample standard deviation."""
    spread = statistics.stdev(values) if len(values) > 1 else math.nan
    return f"{statistics.mean(values):.4f} ± {spread:.4f}"


if __name__ == "__main__":
    main()
