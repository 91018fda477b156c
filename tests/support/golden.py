"""Golden numbers of official fusion models, and their weights under our names.

The files are not part of the project. A test that needs one is skipped where the folder is absent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from semanticmac.model.features import Features

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "golden" / "fusions"
PARTS = ("input.", "output.", "inter.", "loss.", "grad.", "exact.", "masked.", "masked_exact.")
PARTS += ("asis.", "step", "final.", "init.")
Names = Sequence[tuple[str, str]]  # pattern of an official name → our name


def golden(name: str) -> dict[str, Tensor]:
    """All tensors of one file. Skips the test where the folder is not on this machine."""
    if not FOLDER.is_dir():
        pytest.skip("the golden numbers of the official models are not on this machine")
    with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def golden_config(name: str) -> dict[str, Any]:
    with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
        return json.loads(file.metadata()["config"])


def weights_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official state dict in a file."""
    return {key: value for key, value in tensors.items() if not key.startswith(PARTS)}


def load_renamed(network: nn.Module, tensors: Mapping[str, Tensor], names: Names) -> set[str]:
    """Loads official weights under our names; returns the official names that have none.

    Every weight of the network must be loaded. `in_proj_weight` and `in_proj_bias` become the
    maps of queries, keys and values.
    """
    renamed, unused = {}, set()
    for key, value in weights_of(tensors).items():
        ours = rename(key, names)
        if ours is None:
            unused.add(key)
        elif ".in_proj_" in ours:
            prefix, _, kind = ours.rpartition(".in_proj_")
            for part, piece in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[f"{prefix}.to_{part}.{kind}"] = piece
        else:
            renamed[ours] = value
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    assert {key: value.shape for key, value in renamed.items()} == shapes
    network.load_state_dict(renamed)
    return unused


def rename(key: str, names: Names) -> str | None:
    for pattern, ours in names:
        if re.fullmatch(pattern, key):
            return re.sub(pattern, ours, key)
    return None


def whole(text: Tensor, audio: Tensor, vision: Tensor) -> Features:
    """Features of clips without padding."""

    def real(frames: Tensor) -> Tensor:
        return torch.ones(frames.shape[:2], dtype=torch.bool)

    return Features(text, real(text), audio, real(audio), vision, real(vision))


def inputs_of(tensors: Mapping[str, Tensor]) -> Features:
    return whole(tensors["input.text"], tensors["input.audio"], tensors["input.vision"])


def same(ours: Tensor, theirs: Tensor, tolerance: float = 1e-10) -> None:
    """Equal shapes, and equal numbers up to the tolerance."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


def with_normed_means(tensors: Mapping[str, Tensor]) -> Features:
    """The inputs of TFN, LMF and LF-DNN, with audio and vision as they leave the BatchNorm.

    One frame, so that its mean is the frame.
    """
    audio, vision = tensors["inter.audio_subnet.norm"], tensors["inter.video_subnet.norm"]
    return whole(tensors["input.text"], audio[:, None], vision[:, None])


# TFN, LMF and LF-DNN: the nets of the three modalities.
SUBNETS = [
    (r"text_subnet\.rnn\.(.*)", r"text.lstm.rnn.\1"),
    (r"text_subnet\.linear_1\.(.*)", r"text.linear.\1"),
    (r"audio_subnet\.(linear.*)", r"audio.\1"),
    (r"video_subnet\.(linear.*)", r"vision.\1"),
]
_STATISTICS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
BATCH_NORM = {f"{net}_subnet.norm.{key}" for net in ("audio", "video") for key in _STATISTICS}
# MFN and Graph-MFN: the LSTMs, the memory and the head.
LSTM_SYSTEM = [
    (r"lstm_l\.(.*)", r"system.cells.text.\1"),
    (r"lstm_a\.(.*)", r"system.cells.audio.\1"),
    (r"lstm_v\.(.*)", r"system.cells.vision.\1"),
]
for official, ours in {
    "att2": "candidate",
    "gamma1": "keep",
    "gamma2": "update",
    "out": "head",
}.items():
    LSTM_SYSTEM += [
        (rf"{official}_fc1\.(.*)", rf"{ours}.0.\1"),
        (rf"{official}_fc2\.(.*)", rf"{ours}.3.\1"),
    ]
