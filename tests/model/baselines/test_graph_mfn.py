"""Graph-MFN: the numbers of the official model, and each clip step by step."""

from __future__ import annotations

import torch
from support import slow
from support.fusions import clip_of, make_features, make_fusion, multimodal
from support.golden import LSTM_SYSTEM, golden, inputs_of, load_renamed, same
from torch import Tensor, nn

NAMES = [
    *LSTM_SYSTEM,
    (r"l_transform\.(.*)", r"singletons.text.\1"),
    (r"a_transform\.(.*)", r"singletons.audio.\1"),
    (r"v_transform\.(.*)", r"singletons.vision.\1"),
    (r"graph_mfn\.efficacy_model\.0\.(.*)", r"graph.efficacy.0.\1"),
    (r"graph_mfn\.efficacy_model\.1\.0\.(.*)", r"graph.efficacy.1.\1"),
    (r"graph_mfn\.efficacy_model\.2\.(.*)", r"graph.efficacy.2.\1"),
    (r"graph_mfn\.t_network\.0\.(.*)", r"graph.summary.0.\1"),
    (r"graph_mfn\.t_network\.1\.0\.(.*)", r"graph.summary.1.\1"),
]
OFFICIAL_NODES = {"01": "text_audio", "02": "text_vision", "12": "audio_vision", "012": "all"}
for official, node in OFFICIAL_NODES.items():
    prefix = rf"unregistered\.graph_mfn\.networks\.{official}"
    NAMES += [
        (prefix + r"\.0\.(.*)", rf"graph.nodes.{node}.0.\1"),
        (prefix + r"\.1\.0\.(.*)", rf"graph.nodes.{node}.1.\1"),
    ]


def test_gives_the_numbers_of_the_official_model():
    tensors = golden("graph_mfn")
    fusion = make_fusion("graph-mfn")
    assert load_renamed(fusion, tensors, NAMES) == set()
    efficacies = []
    fusion.graph.efficacy.register_forward_hook(lambda _, __, out: efficacies.append(out))
    same(multimodal(fusion(inputs_of(tensors))), tensors["output.prediction"])
    same(efficacies[0], tensors["output.Efficacies"].transpose(0, 1))


def test_the_nets_of_the_nodes_are_trained_and_saved():
    """In the official code they are in a plain dict: no optimizer and no checkpoint holds them."""
    fusion = make_fusion("graph-mfn")
    assert "graph.nodes.all.0.weight" in fusion.state_dict()


def test_equals_the_loop():
    features = make_features([5, 3, 0, 2], [9, 2, 4, 0], [8, 0, 6, 1])
    fusion = make_fusion("graph-mfn", outputs=2)
    predictions = multimodal(fusion(features))
    for row in range(4):
        same(predictions[row], slow_graph_mfn(fusion, clip_of(features, row)))


def slow_graph_mfn(fusion: nn.Module, clip: dict[str, Tensor]) -> Tensor:
    hidden = slow.lstm_system(fusion.system, clip)[0]
    widths = [cell.hidden_size for cell in fusion.system.cells.values()]
    memory = torch.zeros(fusion.keep[3].out_features, dtype=torch.float64)
    earlier = torch.zeros_like(hidden[0])
    for now in hidden:
        singles = []
        for modality, before, new in zip(
            ("text", "audio", "vision"), earlier.split(widths), now.split(widths), strict=True
        ):
            single = slow.linear(fusion.singletons[modality], torch.cat([before, new])).relu()
            singles.append(single if len(clip[modality]) else torch.zeros_like(single))
        read = slow_graph(fusion.graph, *singles)
        candidate = slow.net(fusion.candidate, read).tanh()
        both = torch.cat([read, memory])
        keep, update = slow.net(fusion.keep, both), slow.net(fusion.update, both)
        memory = keep.sigmoid() * memory + update.sigmoid() * candidate
        earlier = now
    return slow.net(fusion.head, torch.cat([hidden[-1], memory]))


def slow_graph(graph: nn.Module, t: Tensor, a: Tensor, v: Tensor) -> Tensor:
    e = linears(graph.efficacy, torch.cat([t, a, v]))
    ta = linears(graph.nodes["text_audio"], torch.cat([e[0] * t, e[1] * a]))
    tv = linears(graph.nodes["text_vision"], torch.cat([e[2] * t, e[3] * v]))
    av = linears(graph.nodes["audio_vision"], torch.cat([e[4] * a, e[5] * v]))
    below = [e[6] * t, e[7] * a, e[8] * v, e[9] * ta, e[10] * tv, e[11] * av]
    tav = linears(graph.nodes["all"], torch.cat(below))
    below = [e[12] * t, e[13] * a, e[14] * v, e[15] * ta, e[16] * tv, e[17] * av, e[18] * tav]
    return linears(graph.summary, torch.cat(below))


def linears(net: nn.Sequential, x: Tensor) -> Tensor:
    for layer in net:
        x = slow.linear(layer, x)
    return x
