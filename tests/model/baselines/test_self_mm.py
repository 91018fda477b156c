"""Self-MM: the numbers of the official model, and each clip without masks."""

from __future__ import annotations

from dataclasses import replace

import torch
from support import slow
from support.fusions import clip_of, make_features, make_fusion
from support.golden import golden, inputs_of, load_renamed, same

NAMES = [
    (r"audio_model\.rnn\.(.*)", r"audio_lstm.rnn.\1"),
    (r"video_model\.rnn\.(.*)", r"vision_lstm.rnn.\1"),
    (r"audio_model\.linear_1\.(.*)", r"audio_linear.\1"),
    (r"video_model\.linear_1\.(.*)", r"vision_linear.\1"),
    (r"post_fusion_(.*)", r"heads.multimodal.\1"),
    (r"post_(text|audio)_(.*)", r"heads.\1.\2"),
    (r"post_video_(.*)", r"heads.vision.\1"),
]


def test_gives_the_numbers_of_the_official_model():
    """Its text vector is the first token; ours follows the setting `pooling`."""
    tensors = golden("self_mm")
    fusion = make_fusion("self-mm")
    assert load_renamed(fusion, tensors, NAMES) == set()
    output = fusion(replace(inputs_of(tensors), pooled_text=tensors["input.text"][:, 0]))
    same(output.predictions["multimodal"], tensors["output.prediction"])
    for head, name in {"T": "text", "A": "audio", "V": "vision"}.items():
        same(output.predictions[name], tensors[f"output.{head}"])
        same(output.states[f"feature.{name}"], tensors[f"output.Feature_{head.lower()}"])


def test_equals_the_loop():
    features = make_features([5, 3, 0, 2], [9, 2, 4, 0], [8, 0, 6, 1])
    fusion = make_fusion("self-mm", outputs=2)
    output = fusion(features)
    for row in range(4):
        clip = clip_of(features, row)
        vectors = {"text": clip["text"].sum(0) / max(1, len(clip["text"]))}
        for modality in ("audio", "vision"):
            linear = getattr(fusion, f"{modality}_linear")
            vectors[modality] = torch.zeros(linear.out_features, dtype=torch.float64)
            if len(clip[modality]):
                last = slow.lstm(getattr(fusion, f"{modality}_lstm").rnn, clip[modality])[1]
                vectors[modality] = slow.linear(linear, last)
        vectors["multimodal"] = torch.cat(list(vectors.values()))
        for name, vector in vectors.items():
            head = fusion.heads[name]
            feature = slow.linear(head.layer_1, vector).relu()
            same(output.states[f"feature.{name}"][row], feature)
            hidden = slow.linear(head.layer_2, feature).relu()
            same(output.predictions[name][row], slow.linear(head.layer_3, hidden))
