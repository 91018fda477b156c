"""The whole model: padding, other clips and absent modalities change nothing; switches train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from semanticmac.core import MODALITIES, SUB_TASKS
from semanticmac.model.config import ModelConfig
from semanticmac.model.network import Output, SemanticMAC

SWITCHES: list[dict[str, Any]] = [
    {},
    {"frame_embedding": False},
    {"perceiver": False},
    {"perceiver_layer_norm": False},
    {"perceiver_residual": False},
    {"modality_embedding": False},
    {"sgfi": False},
    {"multi_query": False},
    {"bridge_tokens": 0},
    {"gated_relu": False},
    {"freeze_language": True},
    {"modalities": ("text",)},
    {"modalities": ("audio",)},
    {"modalities": ("vision", "text")},
]


def assert_same(actual: Output, expected: Output) -> None:
    for name, value in vars(expected).items():
        torch.testing.assert_close(
            getattr(actual, name), value, rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}"
        )


def double(batch: Any) -> Any:
    return replace(batch, audio=batch.audio.double(), vision=batch.vision.double())


clip = st.tuples(*[st.integers(min_value=0, max_value=9)] * 3)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"perceiver": False},
        {"sgfi": False},
        {"bridge_tokens": 0},
        {"separate_text": True, "head_mixture": True},
    ],
)
def test_padding_and_batch_mates_change_nothing(
    switches: dict[str, Any], batch_of: Callable[..., Any], small_model: Callable[..., SemanticMAC]
) -> None:
    model = small_model(**switches)

    @settings(max_examples=6, deadline=None)
    @given(
        st.lists(clip, min_size=1, max_size=4), st.integers(min_value=0, max_value=4), st.randoms()
    )
    def check(clips: list[tuple[int, int, int]], padding: int, random: Any) -> None:
        texts, audio, vision = (list(lengths) for lengths in zip(*clips, strict=True))
        batch = double(
            batch_of([*texts, 5], [*audio, 7 + padding], [*vision, 2])
        )  # the last clip only makes padding
        together = model(batch)
        order = random.sample(range(len(clips)), len(clips))
        assert_same(
            model(batch.rows(order)), Output(*(value[order] for value in vars(together).values()))
        )
        for i, (length, sounds, pictures) in enumerate(clips):
            lengths = (length, max(sounds, pictures))
            alone = batch.rows([i])
            cut = {"token": lengths[0], "audio": lengths[1], "vision": lengths[1]}
            alone = replace(
                alone,
                **{
                    name: value[:, : cut[name.split("_")[0]]] for name, value in vars(alone).items()
                },
            )
            assert_same(model(alone), Output(*(value[[i]] for value in vars(together).values())))

    check()


@pytest.mark.parametrize("switches", [{}, {"perceiver": False}, {"sgfi": False}])
@pytest.mark.parametrize("modality", range(3))
def test_content_of_an_absent_modality_reaches_nothing(
    modality: int,
    switches: dict[str, Any],
    batch_of: Callable[..., Any],
    small_model: Callable[..., SemanticMAC],
) -> None:
    model = small_model(**switches)
    batch = double(batch_of([4, 4], [5, 3], [5, 5]))
    name = ("token", "audio", "vision")[modality]
    mask = getattr(batch, f"{name}_mask").clone()
    mask[0] = False
    absent = replace(batch, **{f"{name}_mask": mask})
    content = "token_ids" if name == "token" else name
    garbage = getattr(batch, content).clone()
    garbage[0] = 3 if name == "token" else 1e200
    expected, actual = model(absent), model(replace(absent, **{content: garbage}))
    assert_same(actual, expected)
    assert expected.present[0].tolist() == [m != modality for m in range(3)]
    assert (expected.specific[0, modality] == 0).all() and (expected.shared[0, modality] == 0).all()
    others = [m for m in range(3) if m != modality]
    torch.testing.assert_close(expected.representations[0, 0], expected.shared[0, others].mean(0))
    torch.testing.assert_close(expected.representations[:, 1:], expected.specific)


def test_a_clip_with_nothing_at_all_is_defined(
    batch_of: Callable[..., Any], small_model: Callable[..., SemanticMAC]
) -> None:
    model = small_model()
    batch = double(batch_of([0, 3], [0, 2], [0, 4]))
    output = model(batch)
    assert not output.present[0].any()
    assert (output.representations[0] == 0).all()
    torch.testing.assert_close(output.fused[0], model.fuse.bias)
    output.predictions.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    empty = replace(
        batch, **{name: value[:, :0] for name, value in vars(batch).items()}
    )  # no token, no frame
    assert_same(
        model(empty),
        model(replace(batch, **{n: v & False for n, v in vars(batch).items() if "mask" in n})),
    )


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_ablation_trains(
    switches: dict[str, Any], batch_of: Callable[..., Any], small_model: Callable[..., SemanticMAC]
) -> None:
    model = small_model(**switches).float().train()
    batch = batch_of([4, 2, 0], [5, 0, 9], [0, 7, 3])
    output = model(batch)
    assert output.predictions.shape == (3, len(SUB_TASKS), 3)
    assert output.representations.shape == (3, 4, 16) and output.fused.shape == (3, 16)
    used = torch.tensor([name in model.config.modalities for name in MODALITIES])
    has = torch.stack(
        [m.any(1) for m in (batch.token_mask, batch.audio_mask, batch.vision_mask)], dim=1
    )
    assert torch.equal(output.present, has & used)
    output.predictions.square().sum().backward()
    for name, weight in model.named_parameters():
        assert not weight.requires_grad or (
            weight.grad is not None and weight.grad.isfinite().all()
        ), name


def test_a_frozen_language_model_neither_learns_nor_drops_out(
    small_model: Callable[..., SemanticMAC],
) -> None:
    model = small_model(freeze_language=True).train()
    assert model.language is not None and not model.language.training and model.training
    assert not any(weight.requires_grad for weight in model.language.parameters())


def test_without_text_no_language_model_is_loaded() -> None:
    model = SemanticMAC(ModelConfig(language="no/such/model", modalities=("audio", "vision")))
    assert model.language is None


def test_a_wrong_language_model_or_cache_is_named(
    batch_of: Callable[..., Any], small_model: Callable[..., SemanticMAC]
) -> None:
    with pytest.raises(TypeError, match="Linear has no int `width`"):
        SemanticMAC(ModelConfig(), nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"audio embeddings are 5 wide.*audio_width=16"):
        small_model()(batch_of([2], [3], [3], width=5))


def test_interaction_reads_the_others_and_only_them(
    batch_of: Callable[..., Any], small_model: Callable[..., SemanticMAC]
) -> None:
    """Equations 10 to 12 by hand for one clip.

    The specific stack reads modality m, the shared stack reads the two others.
    """
    model = small_model()
    batch = double(batch_of([4], [5], [3]))
    output = model(batch)
    x: list[Tensor] = [model.encode_text(batch.token_ids, batch.token_mask)[0]]
    for name in ("audio", "vision"):
        x.append(model.encode_frames(name, getattr(batch, name), getattr(batch, f"{name}_mask"))[0])
    x = [tokens + model.modality[m] for m, tokens in enumerate(x)]
    real = [torch.ones(1, tokens.shape[1], dtype=torch.bool) for tokens in x]
    for m, (first, second) in enumerate([(1, 2), (0, 2), (0, 1)]):
        own = model.interaction.specific(x[m], real[m], x[m], real[m])
        others = (
            torch.cat([x[first], x[second]], dim=1),
            torch.cat([real[first], real[second]], dim=1),
        )
        common = model.interaction.shared(x[m], real[m], *others)
        torch.testing.assert_close(output.specific[:, m], own.mean(1), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(output.shared[:, m], common.mean(1), rtol=1e-9, atol=1e-9)
    six = torch.cat([*output.specific[0], *output.shared[0]])
    torch.testing.assert_close(output.fused[0], F.linear(six, model.fuse.weight, model.fuse.bias))
    evidence = [output.fused[0], *output.representations[0]]
    for s, name in enumerate(SUB_TASKS):
        torch.testing.assert_close(output.predictions[0, s], model.heads[name](evidence[s]))


def test_audio_and_vision_do_not_train_a_separate_text_path(
    batch_of: Callable[..., Any], small_model: Callable[..., SemanticMAC]
) -> None:
    model = small_model(separate_text=True)
    batch = double(batch_of([4, 2, 3], [5, 3, 1], [2, 6, 4]))
    text = [model.project_text, model.text_path, model.heads["text"], model.language]

    def gradient(head: int) -> float:
        model.zero_grad()
        output = model(batch)
        others = output.fused.sum() + output.shared.sum() + output.specific.sum()
        (output.predictions[:, head].square().sum() + (head > 2) * others).backward()
        total = 0.0
        for module in text:
            for weight in module.parameters():
                total += 0.0 if weight.grad is None else float(weight.grad.abs().sum())
        return total

    assert gradient(SUB_TASKS.index("text")) > 0
    for name in ("multimodal", "shared", "audio", "vision"):
        assert gradient(SUB_TASKS.index(name)) == 0, name


def test_the_text_head_of_a_separate_path_never_reads_another_modality(
    batch_of: Callable[..., Any], small_model: Callable[..., SemanticMAC]
) -> None:
    model = small_model(separate_text=True)
    batch = double(batch_of([4, 2], [5, 3], [2, 6]))
    other = replace(batch, audio=batch.audio + 1, vision_mask=~batch.vision_mask)
    at = SUB_TASKS.index("text")
    assert torch.equal(model(batch).predictions[:, at], model(other).predictions[:, at])


def test_the_papers_form_has_the_weights_that_it_had_before_the_tuned_parts() -> None:
    """Parts of `tuned` are made last: the others are drawn from the same random numbers."""
    settings = {"d_model": 16, "heads": 4, "modalities": ("audio", "vision", "text")}
    drawn = []
    for switches in ({}, {"separate_text": True, "head_mixture": True}):
        torch.manual_seed(5)
        language = torch.nn.Embedding(3, 12)
        language.width = 12  # type: ignore[assignment]
        drawn.append(SemanticMAC(ModelConfig(**settings, **switches), language).state_dict())
    paper, tuned = drawn
    added = {name.split(".")[0] for name in tuned.keys() - paper.keys()}
    assert added == {"text_path", "mixture"}
    assert all(torch.equal(paper[name], tuned[name]) for name in paper)


def test_a_frozen_language_model_reads_each_text_once(families: dict[str, str]) -> None:
    config = ModelConfig(
        d_model=8, heads=2, language=families["bert"], freeze_language=True, modalities=("text",)
    )
    model = SemanticMAC(config).eval()
    assert model.language is not None
    calls = []
    model.language.register_forward_hook(lambda *_: calls.append(1))
    ids = torch.tensor([[1, 4, 7, 2], [1, 5, 2, 0]])
    mask = ids != 0
    first, _ = model.encode_text(ids, mask)
    count = len(calls)
    again, _ = model.encode_text(ids.flip(0), mask.flip(0))
    assert count == len(calls) == 2
    assert torch.equal(first, again.flip(0))
    expected = model.project_text(model.language(ids, mask).masked_fill(~mask[..., None], 0.0))
    torch.testing.assert_close(first, expected, rtol=1e-4, atol=1e-5)
    assert first.requires_grad
