"""MMIM: the numbers of the official model, each clip without masks, and two kinds of gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support import slow
from support.fusions import clip_of, make_features, make_fusion, multimodal
from support.golden import golden, inputs_of, load_renamed, same

from semanticmac.model.baselines.mmim import LOG_VARIANCE_LIMIT
from semanticmac.train.objectives.mmim import contrastive_prediction

LETTERS = {"t": "text", "a": "audio", "v": "vision"}


def official_names() -> list[tuple[str, str]]:
    names = [
        (r"acoustic_enc\.rnn\.(.*)", r"audio_lstm.rnn.\1"),
        (r"visual_enc\.rnn\.(.*)", r"vision_lstm.rnn.\1"),
        (r"acoustic_enc\.linear_1\.(.*)", r"audio_linear.\1"),
        (r"visual_enc\.linear_1\.(.*)", r"vision_linear.\1"),
        (r"fusion_prj\.linear_([12])\.(.*)", r"fusion_\1.\2"),
        (r"fusion_prj\.linear_3\.(.*)", r"out.\1"),
    ]
    for x, first in LETTERS.items():
        names += [
            (rf"cpc_z{x}\.net\.(\d\..*)", rf"predict.{first}.\1"),
            (rf"cpc_z{x}\.net\.(\w+)", rf"predict.{first}.0.\1"),
        ]
        for y, second in LETTERS.items():
            names += [
                (rf"mi_{x}{y}\.mlp_mu\.(.*)", rf"bounds.{first}_{second}.mean.\1"),
                (rf"mi_{x}{y}\.mlp_logvar\.(.*)", rf"bounds.{first}_{second}.log_variance.\1"),
                (rf"mi_{x}{y}\.entropy_prj\.0\.(.*)", rf"entropy.{first}_{second}.\1"),
            ]
    return names


@pytest.mark.parametrize(("name", "third_pair"), [("mmim", False), ("mmim_va", True)])
def test_gives_the_numbers_of_the_official_model(name, third_pair):
    tensors = golden(name)
    fusion = make_fusion(
        "mmim", vision_audio_bound=third_pair, prediction_layers=2 if third_pair else 1
    )
    assert load_renamed(fusion, tensors, official_names()) == set()
    output = fusion(replace(inputs_of(tensors), pooled_text=tensors["input.text"][:, 0]))
    states = output.states
    same(multimodal(output), tensors["output.prediction"])
    same(states["fused"], tensors["output.Feature_f"])
    for letter, modality in LETTERS.items():
        vector, predicted = states[f"vector.{modality}"], states[f"predicted.{modality}"]
        same(vector, tensors[f"output.Feature_{letter}"])
        everyone = torch.ones(4, dtype=torch.bool)
        loss = contrastive_prediction(vector, predicted, everyone)
        same(loss, tensors[f"output.nce_{letter}"])
    labels = tensors["input.labels"][:, 0]
    for pair in ("tv", "ta", "va") if third_pair else ("tv", "ta"):
        ours = f"{LETTERS[pair[0]]}_{LETTERS[pair[1]]}"
        same(states[f"mean.{ours}"], tensors[f"output.mu_{pair}"])
        same(states[f"entropy.{ours}"][labels > 0], tensors[f"output.sample.{pair}.pos"])
        same(states[f"entropy.{ours}"][labels < 0], tensors[f"output.sample.{pair}.neg"])
        # The official log variance has no limit; ours has one.
        raw = tensors[f"output.logvar_{pair}"]
        limited = LOG_VARIANCE_LIMIT * (raw / LOG_VARIANCE_LIMIT).tanh()
        same(states[f"log_variance.{ours}"], limited)
        assert 0.001 < (limited - raw).abs().max() < 0.5


def test_equals_the_loop():
    features = make_features([5, 3, 0, 2], [9, 2, 4, 0], [8, 0, 6, 1])
    fusion = make_fusion("mmim", outputs=2, vision_audio_bound=True)
    output = fusion(features)
    for row in range(4):
        clip = clip_of(features, row)
        vectors = {"text": clip["text"].sum(0) / max(1, len(clip["text"]))}
        for modality in ("audio", "vision"):
            linear = getattr(fusion, f"{modality}_linear")
            vectors[modality] = torch.zeros(linear.out_features, dtype=torch.float64)
            if len(clip[modality]):
                final = slow.lstm(getattr(fusion, f"{modality}_lstm").rnn, clip[modality])[1]
                vectors[modality] = slow.linear(linear, final)
        hidden = slow.linear(fusion.fusion_1, torch.cat(list(vectors.values()))).tanh()
        fused = slow.linear(fusion.fusion_2, hidden).tanh()
        same(multimodal(output)[row], slow.linear(fusion.out, fused))
        for modality in vectors:
            predicted = slow.linear(fusion.predict[modality][0], fused)
            same(output.states[f"predicted.{modality}"][row], predicted)
        for x, y in fusion.settings.pairs:
            net = fusion.bounds[f"{x}_{y}"]
            same(output.states[f"mean.{x}_{y}"][row], slow.net(net.mean, vectors[x]))
            entropy = slow.linear(fusion.entropy[f"{x}_{y}"], vectors[y]).tanh()
            same(output.states[f"entropy.{x}_{y}"][row], entropy)


def test_one_bound_trains_the_nets_and_the_other_one_the_inputs():
    fusion = make_fusion("mmim", vision_audio_bound=True)
    output = fusion(make_features([5, 3], [9, 2], [8, 4]))
    net_weight = fusion.bounds["vision_audio"].mean[0].weight
    input_weight = fusion.vision_linear.weight
    fit = output.states["fit_mean.vision_audio"].sum()
    on_net, on_input = torch.autograd.grad(
        fit, (net_weight, input_weight), allow_unused=True, retain_graph=True
    )
    assert on_net.abs().max() > 0 and on_input is None
    bound = output.states["mean.vision_audio"].sum()
    on_net, on_input = torch.autograd.grad(bound, (net_weight, input_weight), allow_unused=True)
    assert on_net is None and on_input.abs().max() > 0
