"""What a model cannot be is refused by name."""

from __future__ import annotations

import pytest

from semanticmac.model.config import ModelConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_model": 10, "heads": 4}, "d_model=10 must be divisible by heads=4"),
        ({"dropout": 1.0}, r"dropout=1.0 must be at least 0 and below 1"),
        ({"bridge_tokens": -1}, "bridge_tokens=-1 must be at least 0"),
        ({"outputs": 0}, "outputs=0 must be at least 1"),
        ({"max_tokens": 2}, "max_tokens=2 must be at least 3"),
        ({"modalities": ("text", "smell")}, "must name one or more of text, audio, vision"),
        ({"modalities": ()}, "must name one or more of text, audio, vision"),
        ({"language": ""}, "language is empty"),
        ({"train_layers": -1}, r"train_layers=-1 must be at least 0"),
        ({"lora_rank": -1}, r"lora_rank=-1 must be at least 0"),
        (
            {"freeze_language": True, "lora_rank": 2},
            "freeze_language and lora_rank exclude each other",
        ),
        (
            {"freeze_language": True, "train_layers": 2},
            "freeze_language and train_layers exclude each other",
        ),
        ({"train_layers": 2, "lora_rank": 2}, "train_layers and lora_rank exclude each other"),
        ({"setting": "dialogue"}, "setting='dialogue' must be `utterance` or `conversation`"),
        ({"context_clips": 0}, "context_clips=0 must be at least 1"),
    ],
)
def test_an_impossible_model_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig(**settings)  # type: ignore[arg-type]


def test_modalities_have_one_order() -> None:
    assert ModelConfig(modalities=["vision", "text"]) == ModelConfig(modalities=("text", "vision"))  # type: ignore[arg-type]
    assert ModelConfig(modalities=("audio",), language="").modalities == ("audio",)


def test_context_is_read_in_the_conversation_setting_alone() -> None:
    assert ModelConfig(context_clips=5).clips_before == 0
    assert ModelConfig(setting="conversation", context_clips=5).clips_before == 5
