"""Reading a score from a decoder: a head on the state of the readout token, or generated digits.

    python -m benchmarks.readout [--clips 960] [--seeds 3] [--epochs 20]

An ablation row outside the package: `readout=generate` was found to more than double the error in
a published comparison, and this repeats it on a small scale. Both rows have the same decoder (four
layers, random weights, trained whole), the same input (the words of the demo corpus, then audio and
vision as one soft prompt each, then the readout token) and the same epochs. `state` has a linear
head on the last state and the L1 loss. `generate` goes on with the four characters of the score,
such as +1.3, under the cross-entropy of the next character, and decodes greedily. The mean absolute
error is that of the test split, with the weights of the epoch that is the best on validation.
"""

from __future__ import annotations

import statistics
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel, LlamaConfig

from benchmarks.common import arguments, report
from semanticmac.core import SPLITS
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.preprocess.demo.plan import DemoSpec, plan

WIDTH, BATCH, RATE = 64, 32, 1e-3
CHARACTERS = "+-.0123456789"
LENGTH = 4  # of a written score, as +1.3


@dataclass(frozen=True)
class Split:
    ids: Tensor  # (N, L) int64
    mask: Tensor  # (N, L) bool
    affect: Tensor  # (N, 2, 8) audio and vision
    scores: Tensor  # (N,)

    def rows(self, rows: Tensor) -> Split:
        return Split(self.ids[rows], self.mask[rows], self.affect[rows], self.scores[rows])


def make_data(clips: int, seed: int) -> tuple[dict[str, Split], int]:
    """The splits of a demo corpus, with noisy measurements in place of frames; and all words."""
    records = plan(DemoSpec(seed=seed, clips=clips))
    words: dict[str, int] = {}
    for record in records:
        for word in record.text.lower().split():
            words.setdefault(word, len(words) + 1)
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((2, 8))
    splits = {}
    for split in SPLITS:
        chosen = [record for record in records if record.split == split]
        texts = [[words[word] for word in record.text.lower().split()] for record in chosen]
        longest = max(map(len, texts))
        padded = torch.tensor([text + [0] * (longest - len(text)) for text in texts])
        levels = np.array([[record.label_audio, record.label_vision] for record in chosen])
        affect = levels[:, :, None] * directions + 0.3 * rng.standard_normal((len(chosen), 2, 8))
        scores = torch.tensor([round(record.label, 1) for record in chosen])
        splits[split] = Split(padded, padded > 0, torch.from_numpy(affect).float(), scores)
    return splits, len(words) + 1


class Reader(nn.Module):
    """A decoder that reads words, two soft prompts and a readout token."""

    def __init__(self, words: int) -> None:
        super().__init__()
        size = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 4}
        config = LlamaConfig(vocab_size=words, num_attention_heads=4, **size)
        self.language = LanguageModel(AutoModel.from_config(config))
        self.prompts = nn.Linear(8, WIDTH)
        self.readout = nn.Parameter(0.02 * torch.randn(WIDTH))
        self.characters = nn.Embedding(len(CHARACTERS), WIDTH)
        self.head = nn.Linear(WIDTH, 1)
        self.next_character = nn.Linear(WIDTH, len(CHARACTERS))

    def states(self, clips: Split, characters: Tensor) -> Tensor:
        """The states of the readout token and of the characters (B, n) after it: (B, 1 + n, D)."""
        count = len(clips.ids)
        text = self.language.embed(clips.ids, clips.mask)
        readout = self.readout.expand(count, 1, -1)
        after = [self.prompts(clips.affect), readout, self.characters(characters)]
        tokens = torch.cat([text, *after], dim=1)
        more = torch.ones(count, tokens.shape[1] - text.shape[1], dtype=torch.bool)
        hidden = self.language.read_embeddings(tokens, torch.cat([clips.mask, more], dim=1))
        return hidden[:, -(1 + characters.shape[1]) :]

    def loss(self, clips: Split, readout: str) -> Tensor:
        if readout == "state":
            nothing = torch.zeros(len(clips.ids), 0, dtype=torch.int64)
            predicted = self.head(self.states(clips, nothing))[:, 0, 0]
            return (predicted - clips.scores).abs().mean()
        target = written(clips.scores)
        logits = self.next_character(self.states(clips, target[:, :-1]))
        return nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten())

    @torch.inference_mode()
    def error(self, clips: Split, readout: str) -> float:
        """Mean absolute error; a score that cannot be read counts as 0."""
        characters = torch.zeros(len(clips.ids), 0, dtype=torch.int64)
        if readout == "state":
            predicted = self.head(self.states(clips, characters))[:, 0, 0]
            return float((predicted - clips.scores).abs().mean())
        for _ in range(LENGTH):
            last = self.next_character(self.states(clips, characters))[:, -1]
            characters = torch.cat([characters, last.argmax(-1, keepdim=True)], dim=1)
        return float((parsed(characters) - clips.scores).abs().mean())


def written(scores: Tensor) -> Tensor:
    """Scores (N,) → the numbers of their characters (N, LENGTH)."""
    rows = []
    for score in scores.tolist():
        rows.append([CHARACTERS.index(character) for character in f"{score:+.1f}"])
    return torch.tensor(rows)


def parsed(characters: Tensor) -> Tensor:
    scores = []
    for row in characters.tolist():
        try:
            scores.append(float("".join(CHARACTERS[number] for number in row)))
        except ValueError:
            scores.append(0.0)
    return torch.tensor(scores)


def test_error(readout: str, clips: int, seed: int, epochs: int) -> float:
    splits, words = make_data(clips, seed)
    torch.manual_seed(seed)
    model = Reader(words)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    best, weights = float("inf"), model.state_dict()
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(splits["train"].ids)).split(BATCH):
            loss = model.loss(splits["train"].rows(rows), readout)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        model.eval()
        error = model.error(splits["valid"], readout)
        if error < best:
            best, weights = error, deepcopy(model.state_dict())
    model.load_state_dict(weights)
    return model.error(splits["test"], readout)


def main() -> None:
    options = arguments(__doc__, clips=960, seeds=3, epochs=20, threads=1)
    torch.set_num_threads(options.threads)
    errors: dict[str, list[float]] = {"state": [], "generate": []}
    for seed in range(1, options.seeds + 1):
        for readout, measured in errors.items():
            measured.append(test_error(readout, options.clips, seed, options.epochs))
    state, generate = (statistics.mean(errors[name]) for name in ("state", "generate"))
    report(
        "a head on the readout token reads a score better than generated digits",
        "generate_over_state above 1",
        seeds=options.seeds,
        state_mae=state,
        generate_mae=generate,
        generate_over_state=generate / state,
        by_seed={name: [round(error, 4) for error in each] for name, each in errors.items()},
    )


if __name__ == "__main__":
    main()
