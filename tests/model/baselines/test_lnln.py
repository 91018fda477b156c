"""LNLN: each clip without masks, dropped frames, and the reversed gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.fusions import clip_of, make_features, make_fusion, multimodal
from support.golden import same
from torch import Tensor, nn

from semanticmac.model.baselines.lnln import LNLNSettings, reverse_gradient


def test_equals_the_loop():
    features = make_features([5, 3, 0, 2], [9, 2, 4, 0], [8, 0, 6, 1])
    fusion = make_fusion("lnln", outputs=2, depth=2)
    output = fusion(features)
    for row in range(4):
        prediction, completeness = slow_lnln(fusion, clip_of(features, row))
        same(multimodal(output)[row], prediction)
        same(output.states["completeness"][row], completeness)
    assert (output.states["kept"][:, 0] == torch.tensor([1, 1, 0, 1])).all()


def slow_lnln(fusion: nn.Module, clip: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """One clip as a batch of one, with what is absent left out instead of masked."""
    tokens = {}
    for modality, frames in clip.items():
        net = fusion.embed[modality]
        own = net.tokens + net.token_positions
        x = torch.cat([own, net.project(frames) + net.frame_positions[: len(frames)]])[None]
        for layer in net.layers:
            x = layer(x, x)
        tokens[modality] = x[:, : len(own)]
    n = len(fusion.hyper_start)
    here = [modality for modality in ("audio", "vision") if len(clip[modality])]

    state = read(fusion.completeness, tokens["text"], list(range(n)))
    completeness = fusion.to_completeness(state[0, 0]).sigmoid()
    places = {"audio": list(range(n)), "vision": list(range(n, 2 * n))}
    heard = [tokens[modality] for modality in here]
    source = torch.cat(heard, dim=1) if heard else tokens["text"][:, :0]
    proxy = read(fusion.proxy, source, [i for modality in here for i in places[modality]])

    level = (1 - completeness) * proxy + completeness * tokens["text"] + fusion.language_positions
    levels = [level]
    for layer in fusion.language:
        levels.append(layer(levels[-1], levels[-1]))
    hyper = fusion.hyper_start[None]
    present = torch.tensor([[len(clip["audio"]) > 0, len(clip["vision"]) > 0]])
    for layer, level in zip(fusion.hyper, levels, strict=True):
        hyper = layer(hyper, level, tokens["audio"], tokens["vision"], present)
    return fusion.head(fusion.fusion(hyper, levels[-1]))[0], completeness


def read(reader: nn.Module, source: Tensor, places: list[int]) -> Tensor:
    """The reader over a part of its source, at the positions of that part."""
    count = len(reader.tokens)
    rows = list(range(count)) + [count + place for place in places]
    x = torch.cat([reader.tokens[None], source], dim=1) + reader.positions[rows]
    for layer in reader.layers:
        x = layer(x, x)
    return x[:, :count]


def test_frames_are_dropped_while_training_and_the_share_of_the_text_is_told():
    torch.manual_seed(0)
    features = make_features([50] * 40, [50] * 40, [50] * 40)
    fusion = make_fusion("lnln", positions=50).train()
    states = fusion(features).states
    kept = states["kept"][:, 0]
    assert kept.min() < 0.2 and kept.max() > 0.8 and 0.3 < kept.mean() < 0.7
    assert (states["completeness"] != states["kept"]).any()
    # The target of the reconstruction is what the whole clip gives.
    same(states["complete.audio"], fusion.eval()(features).states["complete.audio"])
    assert not states["complete.audio"].requires_grad


def test_a_rate_of_zero_drops_nothing():
    features = make_features([5, 3], [4, 2], [3, 1])
    fusion = make_fusion("lnln", missing_rate=0.0)
    same(multimodal(fusion.train()(features)), multimodal(fusion.eval()(features)))


def test_the_gradient_is_reversed():
    values = torch.tensor([1.0, -2.0], requires_grad=True)
    result = reverse_gradient(values)
    (result * torch.tensor([3.0, 4.0])).sum().backward()
    assert result.tolist() == [1.0, -2.0] and values.grad.tolist() == [-3.0, -4.0]


def test_refuses_a_rate_above_one():
    with pytest.raises(ValueError, match=r"missing_rate=1.5 must be at most 1"):
        replace(LNLNSettings(), missing_rate=1.5)
