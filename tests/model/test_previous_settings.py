"""Settings of earlier versions are read under their present names."""

from semanticmac.model.previous_settings import current_settings


def test_one_width_for_both_modalities_becomes_two() -> None:
    saved = {"outputs": 1, "embedding_width": 74, "modalities": ["text"]}
    assert current_settings(saved) == {
        "outputs": 1,
        "vision_width": 74,
        "audio_width": 74,
        "modalities": ["text"],
    }


def test_present_names_stay() -> None:
    saved = {"vision_width": 35, "audio_width": 74}
    assert current_settings(saved) == saved
