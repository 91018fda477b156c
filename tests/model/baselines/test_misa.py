"""MISA: the numbers of the official model, and each clip without masks."""

from __future__ import annotations

import torch
from support import slow
from support.fusions import WIDTHS, clip_of, make_features, make_fusion, multimodal
from support.golden import golden, inputs_of, load_renamed, same, whole
from torch import Tensor, nn

from semanticmac.model.baselines.misa import MISA, MISASettings

LETTERS = {"t": "text", "a": "audio", "v": "vision"}
OFFICIAL_STATES = {
    "projected": "utt_{}_orig",
    "private": "utt_private_{}",
    "shared": "utt_shared_{}",
    "reconstructed": "utt_{}_recon",
}


def official_names() -> list[tuple[str, str]]:
    layer = r"transformer_encoder\.layers\.0"
    names = [
        (r"alayer_norm\.(.*)", r"utterance.audio.norm.\1"),
        (r"vlayer_norm\.(.*)", r"utterance.vision.norm.\1"),
        (r"fusion\.fusion_layer_1\.(.*)", r"fusion_1.\1"),
        (r"fusion\.fusion_layer_3\.(.*)", r"fusion_2.\1"),
        (r"shared\.shared_1\.(.*)", r"shared.\1"),
        (layer + r"\.linear1\.(.*)", r"transformer.inner.\1"),
        (layer + r"\.linear2\.(.*)", r"transformer.outer.\1"),
        (layer + r"\.norm(.)\.(.*)", r"transformer.norm_\1.\2"),
        (layer + r"\.self_attn\.out_proj\.(.*)", r"transformer.attention.to_output.\1"),
        (layer + r"\.self_attn\.(in_proj.*)", r"transformer.attention.\1"),
    ]
    for letter, name in LETTERS.items():
        names += [
            (rf"{letter}rnn1\.(.*)", rf"utterance.{name}.first.rnn.\1"),
            (rf"{letter}rnn2\.(.*)", rf"utterance.{name}.second.rnn.\1"),
            (rf"private_{letter}\.private_{letter}_\d\.(.*)", rf"private.{name}.\1"),
            (rf"recon_{letter}\.recon_{letter}_1\.(.*)", rf"reconstruct.{name}.\1"),
            (rf"project_{letter}\.project_{letter}\.(.*)", rf"project.{name}.0.\1"),
            (rf"project_{letter}\.project_{letter}_layer_norm\.(.*)", rf"project.{name}.2.\1"),
        ]
    return names


def official() -> tuple[nn.Module, dict[str, Tensor]]:
    tensors = golden("misa")
    settings = MISASettings(hidden=6, frame_width=0)
    fusion = MISA(settings, WIDTHS, 1).double().eval()
    unused = load_renamed(fusion, tensors, official_names())
    # These enter neither the prediction nor a loss.
    assert {name.split(".")[0] for name in unused} == {"tlayer_norm", "sp_discriminator"}
    return fusion, tensors


def test_gives_the_numbers_of_the_official_model():
    fusion, tensors = official()
    output = fusion(inputs_of(tensors))
    same(multimodal(output), tensors["output.prediction"])
    for state, pattern in OFFICIAL_STATES.items():
        for letter, name in LETTERS.items():
            same(output.states[f"{state}.{name}"], tensors["output." + pattern.format(letter)])


def test_the_port_reads_audio_and_vision_up_to_the_length_of_the_text():
    """Its prediction as it is equals ours on frames cut to 6; whole clips give another one."""
    fusion, tensors = official()
    text, audio, vision = (tensors[f"input.{name}"] for name in ("text", "audio", "vision"))
    cut = multimodal(fusion(whole(text, audio[:, :6], vision[:, :6])))
    same(cut, tensors["asis.prediction"])
    assert (multimodal(fusion(inputs_of(tensors))) - cut).abs().max() > 1e-4


def test_equals_the_loop():
    features = make_features([5, 3, 0, 2], [9, 2, 4, 0], [8, 0, 6, 1])
    fusion = make_fusion("misa", outputs=2)
    output = fusion(features)
    for row in range(4):
        prediction, states = slow_misa(fusion, clip_of(features, row))
        same(multimodal(output)[row], prediction)
        for name, state in states.items():
            same(output.states[name][row], state)


def slow_misa(fusion: nn.Module, clip: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    states = {}
    for modality, frames in clip.items():
        if not len(frames):
            continue
        utterance = frames.sum(0) / len(frames)
        if modality != "text":
            utterance = utterance_vector(fusion.utterance[modality], frames)
        linear, _, norm = fusion.project[modality]
        p = slow.layer_norm(norm, slow.linear(linear, utterance).relu())
        states[f"projected.{modality}"] = p
        states[f"private.{modality}"] = slow.linear(fusion.private[modality], p).sigmoid()
        states[f"shared.{modality}"] = slow.linear(fusion.shared, p).sigmoid()
    order = [f"{space}.{name}" for space in ("private", "shared") for name in LETTERS.values()]
    order = [order[i] for i in (0, 2, 1, 3, 5, 4)]  # text, vision, audio
    present = [name for name in order if name in states]
    x = torch.stack([states[name] for name in present])
    layer = fusion.transformer
    maps = layer.attention
    attended = slow.attention(maps.to_query(x), maps.to_key(x), maps.to_value(x), maps.heads)
    x = layer.norm_1(x + maps.to_output(attended))
    x = layer.norm_2(x + layer.outer(layer.inner(x).relu()))
    fused = dict(zip(present, x, strict=True))
    joined = [fused.get(name, torch.zeros_like(x[0])) for name in order]
    hidden = slow.linear(fusion.fusion_1, torch.cat(joined)).relu()
    return slow.linear(fusion.fusion_2, hidden), states


def utterance_vector(encoder: nn.Module, frames: Tensor) -> Tensor:
    narrow = torch.stack([slow.linear(encoder.narrow, frame) for frame in frames])
    outputs, first = slow.lstm(encoder.first.rnn, narrow)
    normed = torch.stack([slow.layer_norm(encoder.norm, step) for step in outputs])
    second = slow.lstm(encoder.second.rnn, normed)[1]
    (a, b), (c, d) = first.chunk(2), second.chunk(2)
    return torch.cat([a, c, b, d])
