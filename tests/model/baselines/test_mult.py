"""MulT: the numbers of both official models, and each clip without masks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from support import slow
from support.fusions import clip_of, make_features, make_fusion, multimodal
from support.golden import golden, inputs_of, load_renamed, same
from torch import Tensor, nn

from semanticmac.model.baselines.mult import SOURCES, MulTSettings, sinusoids

LETTERS = {"l": "text", "a": "audio", "v": "vision"}
KERNELS_ONE = {"text_kernel": 1, "audio_kernel": 1, "vision_kernel": 1}


def official_names() -> list[tuple[str, str]]:
    names = [(r"out_layer\.(.*)", r"out.\1"), (r"proj([12])\.(.*)", r"block_\1.\2")]
    for target, name in LETTERS.items():
        names.append((rf"proj_{target}\.(.*)", rf"projections.{name}.\1"))
        encoders = {f"trans_{target}_mem": f"memory.{name}"}
        for source, other in LETTERS.items():
            encoders[f"trans_{target}_with_{source}"] = f"cross.{name}_{other}"
        for official, ours in encoders.items():
            layer, our_layer = rf"{official}\.layers\.(\d+)", rf"{ours}.layers.\1"
            names += [
                (rf"{official}\.layer_norm\.(.*)", rf"{ours}.norm.\1"),
                (rf"{layer}\.fc1\.(.*)", rf"{our_layer}.inner.\2"),
                (rf"{layer}\.fc2\.(.*)", rf"{our_layer}.outer.\2"),
                (rf"{layer}\.layer_norms\.0\.(.*)", rf"{our_layer}.norm_1.\2"),
                (rf"{layer}\.layer_norms\.1\.(.*)", rf"{our_layer}.norm_2.\2"),
                (rf"{layer}\.self_attn\.out_proj\.(.*)", rf"{our_layer}.attention.to_output.\2"),
                (rf"{layer}\.self_attn\.(in_proj.*)", rf"{our_layer}.attention.\2"),
            ]
    return names


@pytest.mark.parametrize("triangular", [False, True])
@pytest.mark.parametrize(
    ("name", "changes"), [("mult", {"positions": False}), ("mult_original", KERNELS_ONE)]
)
def test_gives_the_numbers_of_the_official_models(name, changes, triangular):
    """MMSA's port and the authors' model. The official softmax runs in float32, hence 1e-6."""
    tensors = golden(name)
    fusion = make_fusion("mult", triangular_mask=triangular, **changes)
    unused = load_renamed(fusion, tensors, official_names())
    assert {key.split(".")[-1] for key in unused} <= {"version", "_float_tensor"}
    prediction = multimodal(fusion(inputs_of(tensors)))
    exact, as_is = ("masked_exact", "masked") if triangular else ("exact", "output")
    same(prediction, tensors[f"{exact}.prediction"])
    same(prediction, tensors[f"{as_is}.prediction"], tolerance=1e-6)


def test_the_triangular_mask_of_the_port_changes_the_prediction():
    """Between unequal lengths it means nothing, so it is off unless asked for."""
    tensors = golden("mult")
    difference = tensors["masked.prediction"] - tensors["output.prediction"]
    assert 0.01 < difference.abs().max() < 1


@pytest.mark.parametrize("triangular", [False, True])
def test_equals_the_loop(triangular):
    """Clips with fewer frames than a kernel, and with absent modalities."""
    features = make_features([5, 3, 0, 2], [9, 2, 4, 0], [8, 0, 6, 1])
    fusion = make_fusion("mult", outputs=2, triangular_mask=triangular)
    predictions = multimodal(fusion(features))
    for row in range(4):
        same(predictions[row], slow_mult(fusion, clip_of(features, row), triangular))


def slow_mult(fusion: nn.Module, clip: dict[str, Tensor], triangular: bool) -> Tensor:
    streams = {}
    for modality, frames in clip.items():
        streams[modality] = convolve(fusion.projections[modality], frames)
    d = fusion.settings.width
    vectors = []
    for target, sources in SOURCES.items():
        x = streams[target]
        if not len(x):
            vectors.append(torch.zeros(2 * d, dtype=torch.float64))
            continue
        joined = []
        for source in sources:
            stream = torch.zeros(len(x), d, dtype=torch.float64)
            if len(streams[source]):
                encoder = fusion.cross[f"{target}_{source}"]
                stream = encode(encoder, x, streams[source], triangular)
            joined.append(stream)
        memory = encode(fusion.memory[target], torch.cat(joined, dim=1), None, triangular)
        vectors.append(memory[-1])
    last = torch.cat(vectors)
    hidden = slow.linear(fusion.block_2, slow.linear(fusion.block_1, last).relu())
    return slow.linear(fusion.out, last + hidden)


def convolve(conv: nn.Conv1d, frames: Tensor) -> Tensor:
    kernel = conv.kernel_size[0]
    if not len(frames):
        return torch.zeros(0, conv.out_channels, dtype=torch.float64)
    missing = max(0, kernel - len(frames))
    frames = torch.cat([frames, torch.zeros(missing, frames.shape[1], dtype=torch.float64)])
    out = []
    for i in range(len(frames) - kernel + 1):
        out.append(sum(conv.weight[:, :, k] @ frames[i + k] for k in range(kernel)))
    return torch.stack(out)


def encode(encoder: nn.Module, x: Tensor, source: Tensor | None, triangular: bool) -> Tensor:
    difference = abs(len(x) - (len(x) if source is None else len(source)))
    x = embed(x)
    z = None if source is None else embed(source)
    for layer in encoder.layers:
        keys = layer.norm_1(x if z is None else z)
        maps = layer.attention
        q, k, v = maps.to_query(layer.norm_1(x)), maps.to_key(keys), maps.to_value(keys)
        rows = []
        for i in range(len(x)):
            seen = i + difference + 1 if triangular else len(keys)
            rows.append(slow.attention(q[i : i + 1], k[:seen], v[:seen], maps.heads))
        x = x + maps.to_output(torch.cat(rows))
        x = x + layer.outer(layer.inner(layer.norm_2(x)).relu())
    return encoder.norm(x)


def embed(tokens: Tensor) -> Tensor:
    d = tokens.shape[1]
    out = math.sqrt(d) * tokens
    for i in range(len(tokens)):
        for j in range(d // 2):
            angle = (i + 1) * 10000.0 ** (-j / (d // 2 - 1))
            out[i, j] += math.sin(angle)
            out[i, d // 2 + j] += math.cos(angle)
    return out


def test_a_last_odd_column_has_no_position():
    table = sinusoids(3, 5)
    assert table.shape == (3, 5) and (table[:, 4] == 0).all() and (table[:, :4] != 0).all()


def test_refuses_a_width_that_its_heads_do_not_divide():
    with pytest.raises(ValueError, match="width=50 must be divisible by heads=7"):
        replace(MulTSettings(), heads=7)
