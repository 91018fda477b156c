"""Settings: values that are refused, and the table of all settings."""

from pathlib import Path
from typing import Any

import pytest

from semanticmac.commands.ui.settings import settings_table
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.overrides import override, parse_settings, setting_rows

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("clip_norm=nan", "clip_norm=nan must be a finite number"),
        ("weight_decay=nan", "weight_decay=nan must be a finite number"),
        ("lr_rest=inf", "lr_rest=inf must be a finite number"),
        ("seed=-1", "seed=-1 must be at least 0"),
        ("seed=9223372036854775808", "seed=9223372036854775808 must have no more than 63 bits"),
        ("schedule=linear", "schedule='linear' must be `constant` or `cosine`"),
        ("precision=half", "precision='half' must be `auto`, `float32` or `bfloat16`"),
        ("compile=yes", "compile='yes' must be true or false, like its default false"),
        ("epochs=0", "epochs=0 must be at least 1"),
        ("epoch=3", "there is no setting 'epoch'; did you mean epochs"),
        ("nothing_like_it=3", "`semanticmac train --settings` lists all of them"),
        ("lr_rest=0.0", "lr_rest=0.0 must be above 0"),
        ("modalities=5", "modalities=5 must be names with commas between"),
        ('modalities=["text", 5]', "must be names with commas between"),
        ("modalities=", "must name one or more of text, audio, vision"),
        ("dataset=mosi", "dataset is no setting to choose: --dataset names it"),
        ("outputs=5", "outputs is no setting to choose: the labels of the dataset decide it"),
        (
            "vision_width=99",
            "vision_width is no setting to choose: the cached embeddings decide it",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(TrainConfig("x"), parse_settings([setting]))


def test_modalities_may_have_blanks_and_any_order() -> None:
    written: list[Any] = ["modalities=vision, text", 'modalities=["text", "vision"]']
    for words in written:
        assert override(TrainConfig("x"), parse_settings([words])).model.modalities == (
            "text",
            "vision",
        )


def test_a_word_filters_the_table() -> None:
    assert [row.key for row in setting_rows("LR")] == ["lr_language", "lr_rest"]
    assert "max_tokens" in {row.key for row in setting_rows("special ones")}
    assert settings_table("lr_rest").row_count == 1
    with pytest.raises(ConfigError, match="no setting has 'zzz' in its key or meaning"):
        settings_table("zzz")


def test_the_page_and_the_printed_table_agree() -> None:
    page = PAGE.read_text(encoding="utf-8")
    lines = []
    for row in setting_rows():
        lines.append(f"| `{row.key}` | {row.default} | {row.accepts} | {row.description} |")
    assert "\n".join(lines) in page
    table = settings_table("")
    printed = zip(*(column.cells for column in table.columns), strict=True)
    for row, cells in zip(setting_rows(), printed, strict=True):
        accepts = row.accepts.replace("`", "")
        assert cells == (row.key, row.default, accepts, row.description)
