"""MAG: the gate and the whole BERT of the official code, and where the gate stands."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from support import slow
from support.fusions import VOCABULARY, WIDTHS, clip_of, make_clips, make_features, make_fusion
from support.golden import golden, load_renamed, same
from torch import Tensor, nn
from transformers import AlbertConfig, AlbertModel, BertConfig, BertModel, XLNetConfig, XLNetModel

from semanticmac.model.baselines.mag import MagGate, gate_position
from semanticmac.model.config import ModelConfig, SettingsConflict
from semanticmac.model.features import Features
from semanticmac.model.fusion_model import FusionModel
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.source import LanguageModelError

GATE = [
    (r"W_hv\.(.*)", r"vision_gate.\1"),
    (r"W_ha\.(.*)", r"audio_gate.\1"),
    (r"W_v\.(.*)", r"vision_shift.\1"),
    (r"W_a\.(.*)", r"audio_shift.\1"),
    (r"LayerNorm\.(.*)", r"norm.\1"),
]
MAG_BERT = [(rf"bert\.MAG\.{pattern}", f"gate.{ours}") for pattern, ours in GATE]
MAG_BERT += [(r"bert\.pooler\.dense\.(.*)", r"pooler.\1"), (r"(classifier\..*)", r"\1")]


def test_the_gate_gives_the_numbers_of_the_official_one():
    """The shift is limited at three quarters of the tokens."""
    tensors = golden("mag")
    gate = MagGate(WIDTHS, 1.0, 0.0).double().eval()
    assert load_renamed(gate, tensors, GATE) == set()
    here = torch.ones(4, dtype=torch.bool)
    fused = gate(tensors["input.text"], tensors["input.audio"], here, tensors["input.vision"], here)
    same(fused, tensors["output.fused"])


def test_gives_the_numbers_of_the_official_bert():
    """Its frames are aligned by averaging; here they are given as aligned."""
    tensors = golden("mag_bert")
    language = LanguageModel(bert(2, positions=10)).double().eval()
    inside = r"bert\.((?:embeddings|encoder|pooler)\..*)"
    rest = load_renamed(language, tensors, [(inside, r"encoder.\1")])
    fusion = make_fusion("mag")
    rest |= {key for key in tensors if key.startswith("bert.pooler")}
    load_renamed(fusion, {key: tensors[key] for key in rest}, MAG_BERT)

    ids = tensors["input.ids"]
    mask = torch.ones_like(ids, dtype=torch.bool)
    frames = (tensors["input.audio"], mask, tensors["input.vision"], mask)
    features = Features(torch.zeros(4, 1, 12), torch.zeros(4, 1, dtype=torch.bool), *frames)
    hidden = fusion.encode_text(language, ids, mask, None, features)
    same(hidden, tensors["inter.bert.encoder"])
    output = fusion(replace(features, text=hidden, text_mask=mask, pooled_text=hidden[:, 0]))
    same(output.predictions["multimodal"], tensors["output.prediction"])


def bert(layers: int, positions: int = 16) -> BertModel:
    return BertModel(
        BertConfig(
            hidden_size=12,
            num_hidden_layers=layers,
            num_attention_heads=3,
            intermediate_size=20,
            vocab_size=VOCABULARY,
            max_position_embeddings=positions,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )


def xlnet(layers: int) -> XLNetModel:
    return XLNetModel(
        XLNetConfig(
            d_model=12, n_layer=layers, n_head=2, d_inner=20, vocab_size=VOCABULARY, dropout=0.0
        )
    )


def test_the_gate_equals_the_loop():
    features = make_features([4, 4], [4, 4], [4, 4])
    gate = make_fusion("mag").gate
    has_audio, has_vision = torch.tensor([True, False]), torch.tensor([True, True])
    shifted = gate(features.text, features.audio * 9, has_audio, features.vision, has_vision)
    for row in range(2):
        clip = clip_of(features, row)
        for i in range(4):
            audio = clip["audio"][i] * 9 if row == 0 else None
            same(shifted[row, i], slow_gate(gate, clip["text"][i], audio, clip["vision"][i]))


def slow_gate(gate: nn.Module, x: Tensor, audio: Tensor | None, vision: Tensor) -> Tensor:
    shift = slow.linear(gate.vision_gate, torch.cat([vision, x])).relu()
    shift = shift * slow.linear(gate.vision_shift, vision)
    if audio is not None:
        opening = slow.linear(gate.audio_gate, torch.cat([audio, x])).relu()
        shift = shift + opening * slow.linear(gate.audio_shift, audio)
    lengths = [math.sqrt(sum(float(number) ** 2 for number in vector)) for vector in (x, shift)]
    alpha = min(lengths[0] / (lengths[1] + 1e-6) * gate.beta, 1.0)
    return slow.layer_norm(gate.norm, x + alpha * shift)


@pytest.mark.parametrize(("make", "before", "steps_first"), [(bert, 0, False), (xlnet, 1, True)])
def test_stands_before_the_first_layer_and_in_xlnet_behind_it(make, before, steps_first):
    """By hand: the layers up to the gate, the gate, the other layers."""
    torch.manual_seed(0)
    language = LanguageModel(make(3)).double().eval()
    fusion = make_fusion("mag")
    clips = make_clips([6, 4], [6, 4], [6, 4])
    layers = language.encoder.encoder.layer if make is bert else language.encoder.layer
    assert gate_position(language) == (layers[before], steps_first)

    seen = []

    def record(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.append(arguments[0].transpose(0, 1) if steps_first else arguments[0])

    handle = layers[before].register_forward_pre_hook(record)
    language(clips.token_ids, clips.token_mask)
    handle.remove()
    features = features_of(clips)
    inside = []
    fusion.gate.register_forward_hook(lambda _, given, out: inside.append((given[0], out)))
    fusion.encode_text(language, clips.token_ids, clips.token_mask, None, features)
    given, shifted = inside[0]
    same(given, seen[0])
    here = torch.ones(2, dtype=torch.bool)
    for row, count in enumerate((6, 4)):
        expected = fusion.gate(seen[0], features.audio, here, features.vision, here)
        same(shifted[row, :count], expected[row, :count])
    assert len(layers[before]._forward_pre_hooks) == 0


def features_of(clips) -> Features:
    audio = clips.audio.masked_fill(~clips.audio_mask[..., None], 0.0)
    vision = clips.vision.masked_fill(~clips.vision_mask[..., None], 0.0)
    frames = (audio, clips.audio_mask, vision, clips.vision_mask)
    return Features(torch.zeros(2, 1, 12), torch.zeros(2, 1, dtype=torch.bool), *frames)


def test_a_frozen_language_model_in_half_precision_is_shifted():
    language = LanguageModel(bert(2).bfloat16(), frozen=True).eval()
    fusion = make_fusion("mag").float()
    clips = make_clips([6, 4], [6, 4], [6, 4])
    features = features_of(clips)
    features = replace(features, audio=features.audio.float(), vision=features.vision.float())
    hidden = fusion.encode_text(language, clips.token_ids, clips.token_mask, None, features)
    hidden.sum().backward()
    assert hidden.dtype == torch.float32 and fusion.gate.audio_shift.weight.grad.abs().max() > 0


def test_refuses_language_models_without_layers_to_stand_between():
    with pytest.raises(LanguageModelError, match="Embedding has no `encoder`: use BERT"):
        gate_position(nn.Embedding(3, 4))
    shared = AlbertModel(
        AlbertConfig(
            embedding_size=8,
            hidden_size=12,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=12,
            vocab_size=VOCABULARY,
        )
    )
    with pytest.raises(LanguageModelError, match="those of AlbertModel were not found: use BERT"):
        gate_position(LanguageModel(shared))
    with pytest.raises(LanguageModelError, match="this one has 1 layer: use a deeper one"):
        gate_position(LanguageModel(xlnet(1)))


def test_refuses_to_work_without_text():
    config = ModelConfig(name="mag", modalities=("audio", "vision"))
    with pytest.raises(SettingsConflict, match="mag works inside the language model"):
        FusionModel(config)


def test_refuses_texts_that_are_read_in_windows():
    language = LanguageModel(bert(2)).double().eval()
    language.window = 3
    clips = make_clips([6, 4], [6, 4], [6, 4])
    with pytest.raises(LanguageModelError, match=r"BertLayer got \(4, 3, 12\) for tokens \(2, 6\)"):
        make_fusion("mag").encode_text(
            language, clips.token_ids, clips.token_mask, None, features_of(clips)
        )
