"""Prefix fusion: what the readout token sees, padding, gradients, and what is refused."""

from __future__ import annotations

import pytest
import torch
from support.families import DECODERS, save_model
from torch import Tensor

from semanticmac.core import SUB_TASKS
from semanticmac.model.config import ModelConfig, SettingsConflict
from semanticmac.model.language.finetuning import open_language_model
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.source import LanguageModelError
from semanticmac.model.network import SemanticMAC
from semanticmac.model.prefix import _at, embedding_norm

WIDTH = 6
MULTIMODAL = SUB_TASKS.index("multimodal")
TEXT = SUB_TASKS.index("text")


class Clips:
    """B clips with all modalities: texts of up to 7 tokens, and up to 4 frames."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        lengths = torch.tensor([7, 3, 5])
        self.token_ids = torch.randint(4, 18, (3, 7), generator=generator)
        self.token_mask = torch.arange(7) < lengths[:, None]
        self.token_types = None
        self.frame_context = None
        self.audio = torch.randn(3, 4, WIDTH, generator=generator)
        self.vision = torch.randn(3, 4, WIDTH, generator=generator)
        self.audio_mask = torch.arange(4) < torch.tensor([4, 2, 3])[:, None]
        self.vision_mask = torch.arange(4) < torch.tensor([1, 4, 2])[:, None]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("decoders")
    return {family: save_model(family, root / family) for family in (*DECODERS, "bert")}


def network(folder: str, **settings: object) -> SemanticMAC:
    torch.manual_seed(1)
    small = {"d_model": 8, "heads": 2, "perceiver_tokens": 2, "fusion": "prefix"}
    widths = {"audio_width": WIDTH, "vision_width": WIDTH}
    config = ModelConfig(language=folder, **(small | widths | settings))  # type: ignore[arg-type]
    return SemanticMAC(config, open_language_model(config)).eval()


def predictions(model: SemanticMAC, clips: Clips) -> Tensor:
    with torch.no_grad():
        return model(clips).predictions


@pytest.mark.parametrize("family", DECODERS)
def test_the_readout_sees_everything_and_the_text_only_itself(
    family: str, models: dict[str, str]
) -> None:
    model, clips = network(models[family]), Clips()
    before = predictions(model, clips)
    specific = model(clips).specific
    clips.audio = torch.randn(clips.audio.shape)
    after, specific_after = predictions(model, clips), model(clips).specific
    assert not torch.allclose(before[:, MULTIMODAL], after[:, MULTIMODAL], atol=1e-5)
    torch.testing.assert_close(before[:, TEXT], after[:, TEXT])
    torch.testing.assert_close(specific[:, 0], specific_after[:, 0])


@pytest.mark.parametrize("family", DECODERS)
def test_padding_and_batch_mates_change_nothing(family: str, models: dict[str, str]) -> None:
    model, clips = network(models[family]), Clips()
    together = predictions(model, clips)
    for row in range(3):
        alone = Clips()
        length = int(clips.token_mask[row].sum())
        for name in ("audio", "vision", "audio_mask", "vision_mask"):
            setattr(alone, name, getattr(clips, name)[row : row + 1])
        # Once without padding, once with padding on the left.
        ids, mask = (
            clips.token_ids[row : row + 1, :length],
            clips.token_mask[row : row + 1, :length],
        )
        left = torch.nn.functional.pad
        for missing in (0, 4):
            alone.token_ids = left(ids, (missing, 0), value=3)
            alone.token_mask = left(mask, (missing, 0))
            torch.testing.assert_close(
                predictions(model, alone)[0], together[row], rtol=0, atol=1e-5
            )


@pytest.mark.parametrize("name", ["text", "audio", "vision"])
def test_the_content_of_an_absent_modality_changes_nothing(
    name: str, models: dict[str, str]
) -> None:
    model, clips = network(models["qwen3"]), Clips()
    mask = "token_mask" if name == "text" else f"{name}_mask"
    setattr(clips, mask, torch.zeros_like(getattr(clips, mask)))
    output = model(clips)
    assert output.predictions.isfinite().all()
    assert not output.present[:, ("text", "audio", "vision").index(name)].any()
    if name == "text":
        clips.token_ids = torch.full_like(clips.token_ids, 9)
    else:
        setattr(clips, name, torch.full_like(getattr(clips, name), 7.0))
    torch.testing.assert_close(predictions(model, clips), output.predictions)


@pytest.mark.parametrize("settings", [{}, {"freeze_language": True}, {"lora_rank": 2}], ids=str)
def test_gradients_reach_soft_prompts_readout_and_adapters(
    settings: dict[str, object], models: dict[str, str]
) -> None:
    """Also through frozen weights in bfloat16, with activations that are computed twice."""
    model = network(models["llama"], gradient_checkpointing=True, **settings).train()
    if settings:
        assert isinstance(model.language, LanguageModel)
        assert model.language.weights_dtype == torch.bfloat16
    output = model(Clips())
    output.predictions[:, MULTIMODAL].square().sum().backward()
    assert model.prefix is not None
    reached = [model.prefix.project.weight, model.prefix.readout]
    reached += [
        encoder.tokens for encoder in model.frame_encoders.values() if hasattr(encoder, "tokens")
    ]
    for name, weight in model.named_parameters():
        if "lora_B" in name or (name.startswith("frame_encoders") and name.endswith(".tokens")):
            reached.append(weight)
        if name.startswith("language.") and settings and "lora_" not in name:
            assert weight.grad is None, name
    for weight in reached:
        assert weight.grad is not None and weight.grad.float().abs().sum() > 0


def test_soft_prompts_are_as_long_as_embeddings(models: dict[str, str]) -> None:
    model = network(models["gemma3"])
    assert model.prefix is not None and isinstance(model.language, LanguageModel)
    table = model.language.encoder.get_input_embeddings()
    ids = torch.arange(model.language.encoder.config.vocab_size)
    expected = table(ids).norm(dim=-1).mean()
    torch.testing.assert_close(embedding_norm(model.language), expected)
    prompts = model.prefix.soft_prompt(torch.randn(5, model.language.width))
    torch.testing.assert_close(prompts.norm(dim=-1), expected.expand(5))


def test_an_encoder_and_a_model_without_text_are_refused(models: dict[str, str]) -> None:
    with pytest.raises(LanguageModelError, match="fusion=prefix needs a decoder"):
        network(models["bert"])
    with pytest.raises(SettingsConflict, match="needs the modality text"):
        ModelConfig(modalities=("audio",), fusion="prefix")


def test_tokens_are_moved_by_an_index_of_tokens() -> None:
    """In a fixed order a GPU sorts every number for the backward pass of `gather`."""
    tokens = torch.randn(2, 4, 3, requires_grad=True)
    positions = torch.tensor([[3, 0, 2, 1], [1, 2, 0, 3]])
    moved = _at(tokens, positions)
    assert moved.grad_fn is not None and moved.grad_fn.name() == "IndexBackward0"
    assert moved.equal(tokens.gather(1, positions[..., None].expand(-1, -1, 3)))
