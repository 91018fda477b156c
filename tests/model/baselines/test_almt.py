"""ALMT: the numbers of the official model, and each clip without masks."""

from __future__ import annotations

import torch
from support import slow
from support.fusions import clip_of, make_features, make_fusion, multimodal
from support.golden import golden, inputs_of, load_renamed, same
from torch import Tensor, nn

from semanticmac.model.baselines.almt import TokenEmbedding

LETTERS = {"l": "text", "a": "audio", "v": "vision"}
TOKENS = 4


def layer_names(official: str, ours: str) -> list[tuple[str, str]]:
    names = [
        (rf"{official}\.0\.fn\.to_out\.0\.(.*)", rf"{ours}.attention.to_output.\1"),
        (rf"{official}\.1\.norm\.(.*)", rf"{ours}.norm.\1"),
        (rf"{official}\.1\.fn\.net\.0\.(.*)", rf"{ours}.feed_forward.0.\1"),
        (rf"{official}\.1\.fn\.net\.3\.(.*)", rf"{ours}.feed_forward.2.\1"),
    ]
    for letter, part in {"q": "query", "k": "key", "v": "value"}.items():
        names += [
            (rf"{official}\.0\.fn\.to_{letter}\.(.*)", rf"{ours}.attention.to_{part}.\1"),
            (rf"{official}\.0\.norm_{letter}\.(.*)", rf"{ours}.norm_{part}.\1"),
        ]
    return names


def official_names() -> list[tuple[str, str]]:
    names = [(r"ours\.(.*)", r"\1"), (r"regression_layer\.0\.(.*)", r"head.\1")]
    for i in range(2):
        names += layer_names(
            rf"fusion_layer\.CrossTransformerEncoder\.layers\.{i}", f"fusion.layers.{i}"
        )
        names += layer_names(rf"l_encoder\.encoder\.layers\.{i}", f"language.{i}")
    hyper = r"h_hyper_layer\.layers\.(\d)\.0"
    names += [
        (hyper + r"\.fn\.to_q\.(.*)", r"hyper.\1.to_query.\2"),
        (hyper + r"\.fn\.to_out\.0\.(.*)", r"hyper.\1.to_output.\2"),
        (hyper + r"\.norm1\.(.*)", r"hyper.\1.norm_language.\2"),
        (hyper + r"\.norm2\.(.*)", r"hyper.\1.norm_audio.\2"),
        (hyper + r"\.norm3\.(.*)", r"hyper.\1.norm_vision.\2"),
        (hyper + r"\.norm4\.(.*)", r"hyper.\1.norm_hyper.\2"),
    ]
    for letter, name in LETTERS.items():
        names.append((rf"proj_{letter}\.0\.(.*)", rf"embed.{name}.project.\1"))
        names += layer_names(rf"proj_{letter}\.1\.encoder\.layers\.0", f"embed.{name}.layers.0")
        names += [
            (hyper + rf"\.fn\.to_k_t{letter}\.(.*)", rf"hyper.\1.from_{name}.to_key.\2"),
            (hyper + rf"\.fn\.to_v_t{letter}\.(.*)", rf"hyper.\1.from_{name}.to_value.\2"),
        ]
    return names


def split_positions(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Official positions are one table over learned tokens and frames; ours are two."""
    split = dict(tensors)
    for letter, name in LETTERS.items():
        table = split.pop(f"proj_{letter}.1.pos_embedding")[0]
        frames = torch.zeros(16, table.shape[1], dtype=table.dtype)
        frames[: len(table) - TOKENS] = table[TOKENS:]
        split[f"ours.embed.{name}.token_positions"] = table[:TOKENS]
        split[f"ours.embed.{name}.frame_positions"] = frames
        split[f"ours.embed.{name}.tokens"] = split.pop(f"proj_{letter}.1.extra_token")[0]
    split["ours.language_positions"] = split.pop("l_encoder.pos_embedding")[0]
    split["ours.hyper_start"] = split.pop("h_hyper")[0]
    split["ours.fusion.token"] = split.pop("fusion_layer.extra_token")[0]
    split["ours.fusion.source_positions"] = split.pop("fusion_layer.pos_embedding_s")[0]
    split["ours.fusion.target_positions"] = split.pop("fusion_layer.pos_embedding_t")[0]
    return split


def test_gives_the_numbers_of_the_official_model():
    tensors = golden("almt")
    fusion = make_fusion("almt")
    assert load_renamed(fusion, split_positions(tensors), official_names()) == set()
    levels = []
    for layer in fusion.hyper:
        layer.register_forward_hook(lambda _, __, out: levels.append(out))
    same(multimodal(fusion(inputs_of(tensors))), tensors["output.prediction"])
    same(levels[0], tensors["inter.h_hyper_layer.layers.0.0"])
    same(levels[2], tensors["inter.h_hyper_layer"])


def test_equals_the_loop():
    features = make_features([5, 3, 0, 2], [9, 2, 4, 0], [8, 0, 6, 1])
    fusion = make_fusion("almt", outputs=2)
    predictions = multimodal(fusion(features))
    for row in range(4):
        same(predictions[row], slow_almt(fusion, clip_of(features, row)))


def slow_almt(fusion: nn.Module, clip: dict[str, Tensor]) -> Tensor:
    tokens = {}
    for modality, frames in clip.items():
        net = fusion.embed[modality]
        own = net.tokens + net.token_positions
        x = net.project(frames) + net.frame_positions[: len(frames)]
        tokens[modality] = transformer_layer(net.layers[0], own, torch.cat([own, x]))
    level = tokens["text"] + fusion.language_positions
    levels = [level]
    for layer in fusion.language:
        level = transformer_layer(layer, level, level)
        levels.append(level)

    h = fusion.hyper_start
    for layer, level in zip(fusion.hyper, levels, strict=True):
        queries = layer.to_query(layer.norm_language(level))
        taken = torch.zeros_like(h)
        for modality in ("audio", "vision"):
            if len(clip[modality]):
                net = getattr(layer, f"from_{modality}")
                source = getattr(layer, f"norm_{modality}")(tokens[modality])
                keys, values = net.to_key(source), net.to_value(source)
                taken = taken + slow.attention(queries, keys, values, net.heads)
        h = layer.norm_hyper(h) + layer.to_output(taken)

    source = torch.cat([fusion.fusion.token, h]) + fusion.fusion.source_positions
    x = torch.cat([fusion.fusion.token, levels[-1]]) + fusion.fusion.target_positions
    for layer in fusion.fusion.layers:
        x = transformer_layer(layer, x, source)
    return fusion.head(x[0])


def transformer_layer(layer: nn.Module, x: Tensor, source: Tensor) -> Tensor:
    maps = layer.attention
    queries = maps.to_query(layer.norm_query(x))
    keys, values = maps.to_key(layer.norm_key(source)), maps.to_value(layer.norm_value(source))
    x = x + maps.to_output(slow.attention(queries, keys, values, maps.heads))
    return x + layer.feed_forward(layer.norm(x))


def test_a_clip_longer_than_the_positions_uses_all_of_them_in_order():
    fusion = make_fusion("almt", positions=4)
    embedding = fusion.embed["audio"]
    assert isinstance(embedding, TokenEmbedding)
    mask = torch.arange(10) < torch.tensor([[10], [3], [0]])
    positions = embedding.position(mask)
    assert positions[0].tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
    assert positions[1, :3].tolist() == [0, 1, 2]
