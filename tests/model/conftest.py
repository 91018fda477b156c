"""A small model and random batches for the tests of the model; nothing here asks the model hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from support.language import FAMILIES, save_family
from torch import Tensor, nn

from semanticmac.model.config import ModelConfig
from semanticmac.model.network import SemanticMAC

os.environ["HF_HUB_OFFLINE"] = "1"
VOCABULARY = 50


@dataclass(frozen=True)
class Batch:
    token_ids: Tensor
    token_mask: Tensor
    audio: Tensor
    audio_mask: Tensor
    vision: Tensor
    vision_mask: Tensor

    def rows(self, rows: list[int]) -> Batch:
        return Batch(*(value[rows] for value in vars(self).values()))


class TinyLanguage(nn.Module):
    """Tokens that know each other: an embedding and the mean of the clip's real ones."""

    width = 12

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, self.width)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        tokens = self.embedding(ids) * mask[..., None]
        return tokens + tokens.sum(1, keepdim=True) / mask.sum(1)[:, None, None].clamp(min=1)


def make_batch(texts: list[int], audio: list[int], vision: list[int], width: int = 16) -> Batch:
    """One clip an entry: numbers of tokens and frames, 0 = absent.

    What stands in padding is large garbage.
    """

    def frames(lengths: list[int], longest: int) -> tuple[Tensor, Tensor]:
        mask = torch.arange(longest)[None] < torch.tensor(lengths)[:, None]
        content = torch.randn(len(lengths), longest, width)
        return torch.where(mask[..., None], content, 1e30), mask

    longest = max(*audio, *vision)
    token_mask = torch.arange(max(texts))[None] < torch.tensor(texts)[:, None]
    token_ids = torch.randint(1, VOCABULARY, token_mask.shape)
    return Batch(token_ids, token_mask, *frames(audio, longest), *frames(vision, longest))


def make_model(**settings: object) -> SemanticMAC:
    """A small model in float64 and evaluation mode."""
    small = {
        "d_model": 16,
        "heads": 4,
        "vision_width": 16,
        "audio_width": 16,
        "outputs": 3,
        "perceiver_tokens": 3,
        "max_frames": 6,
    }
    model = SemanticMAC(ModelConfig(**(small | settings)), TinyLanguage())  # type: ignore[arg-type]
    # Every weight counts in a test: initial zeros and ones would hide a forgotten bias or norm.
    for weight in model.parameters():
        weight.data.add_(torch.randn_like(weight) * 0.1)
    return model.double().eval()


@pytest.fixture(autouse=True)
def _seed_and_one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, which on busy cores wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def batch_of() -> Callable[..., Batch]:
    return make_batch


@pytest.fixture(scope="session")
def small_model() -> Callable[..., SemanticMAC]:
    return make_model


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("language")
    for family in FAMILIES:
        save_family(family, root / family)
    return {family: str(root / family) for family in FAMILIES} | {
        "sentence-bert": "all-minilm-l6-v2"
    }
