"""The search space: drawn settings, fixed settings, and errors before training starts."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.config_io import settings_for
from semanticmac.train.experiments.search_space import DEFAULT, Choice, Range, read_space
from semanticmac.train.overrides import override
from semanticmac.train.toml_settings import PRESETS, preset

SPACE = """
lr_rest = { low = 1e-4, high = 1e-1, log = true }
dropout = { low = 0.0, high = 0.5 }
neighbours = { low = 2, high = 9 }
schedule = ["constant", "cosine"]
"""


def test_the_space_holds_every_setting_of_the_paper() -> None:
    space = read_space(None, TrainConfig("any"), ())
    for path in PRESETS.glob("*.toml"):
        settings = preset(path.stem).flat()
        for name, domain in space.items():
            value = settings[name]
            if path.stem == "demo":
                continue
            if isinstance(domain, Choice):
                assert value in domain.options, (path.stem, name)
            else:
                assert domain.low <= value <= domain.high, (path.stem, name)
                assert domain.log == (name.startswith(("lr_", "weight_decay", "int"))), name


@pytest.mark.parametrize(
    ("model", "is_drawn"), [("semanticmac", True), ("lmf", True), ("audio", True), ("text", False)]
)
def test_every_model_that_reads_frames_draws_their_scale(model: str, is_drawn: bool) -> None:
    space = read_space(None, preset("any", model=model), ())
    drawn = space.get("frame_scaling")
    assert drawn == (Choice(("none", "standard", "unit")) if is_drawn else None)
    assert "frame_scaling" not in read_space(None, preset("any", model=model), ("frame_scaling",))


def test_the_space_is_shipped_with_the_package() -> None:
    packaged = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["tool"][
        "setuptools"
    ]
    assert (
        DEFAULT.is_file()
        and DEFAULT.name in packaged["package-data"]["semanticmac.train.experiments"]
    )


@pytest.mark.parametrize("model", ["text", "concat", "mag", "bc-lstm"])
def test_every_model_that_trains_the_language_model_draws_its_rate(model: str) -> None:
    config = settings_for("any", "any", {}, None, None, model)
    space = read_space(None, config, ())
    assert space["lr_language"] == read_space(None, TrainConfig("any"), ())["lr_language"]
    assert "lr_rest" in space
    assert "lr_language" not in read_space(None, config, {"lr_language"})
    frozen = override(config, {"freeze_language": True})
    assert "lr_language" not in read_space(None, frozen, ())


def test_a_model_without_text_draws_no_rate_of_the_language_model() -> None:
    config = settings_for("any", "any", {}, None, None, "audio")
    assert "lr_language" not in read_space(None, config, ())


def test_what_is_fixed_leaves_the_space(tmp_path: Path) -> None:
    space = tmp_path / "space.toml"
    space.write_text(SPACE, encoding="utf-8")
    everything = read_space(space, TrainConfig("any"), ())
    assert everything == {
        "lr_rest": Range(1e-4, 1e-1, log=True),
        "dropout": Range(0.0, 0.5),
        "neighbours": Range(2, 9),
        "schedule": Choice(("constant", "cosine")),
    }
    assert list(read_space(space, TrainConfig("any"), {"dropout", "epochs"})) == [
        "lr_rest",
        "neighbours",
        "schedule",
    ]
    with pytest.raises(ConfigError, match="nothing is left to draw"):
        read_space(space, TrainConfig("any"), everything.keys())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lr_rests = [1.0]", "there is no setting 'lr_rests'; did you mean lr_rest"),
        ("dataset = ['a']", "dataset cannot be drawn"),
        ("lr_rest = 0.1", "expected a list of values, or { low"),
        ("lr_rest = []", "expected a list of values"),
        ("lr_rest = { low = 1e-3, high = 1e-2, step = 2 }", "expected a list of values"),
        ("lr_rest = { low = 1e-2, high = 1e-3 }", "low must be below high"),
        ("lr_rest = { low = 0.0, high = 1.0, log = true }", "above 0 where log = true"),
        ("lr_rest = { low = 'a', high = 'b' }", "takes numbers, like its default 0.0005"),
        ("neighbours = { low = 1.5, high = 3.5 }", "takes whole numbers, like its default 10"),
        ("inter = { low = 0, high = 1 }", "takes a list of values, like its default True"),
        ("lr_rest = ", "is not TOML"),
        ("outputs = [1, 2]", "outputs cannot be drawn: the labels of the dataset decide it"),
        ("perceiver_tokens = [8, 4.5]", r"space.toml: perceiver_tokens=4.5 must be a"),
        ("perceiver_tokens = ['8']", r"space.toml: perceiver_tokens='?8'? must be a"),
        (
            "schedule = ['constant', 'cosin']",
            r"space.toml: schedule='cosin' must be `constant` or `cosine`",
        ),
        (
            "modalities = ['text', 'sound']",
            r"space.toml: modalities=\('sound',\) must name one or more of",
        ),
        (
            "dropout = { low = 0.0, high = 1.0 }",
            r"space.toml: dropout=1.0 must be at least 0 and below 1",
        ),
        ("epochs = { low = 0, high = 9 }", r"space.toml: epochs=0 must be at least 1"),
        ("d_model = [0]", r"space.toml: d_model=0 must be at least 1"),
    ],
)
def test_a_space_that_says_nothing_is_refused(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "space.toml").write_text(line, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_space(tmp_path / "space.toml", TrainConfig("any"), ())
    with pytest.raises(ConfigError, match=r"none.toml is not a file"):
        read_space(tmp_path / "none.toml", TrainConfig("any"), ())


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("d_model = [8, 9]", {"d_model": 8, "heads": 2}),
        ("heads = [2, 3, 5]", {"d_model": 8, "heads": 2}),
        ("train_layers = { low = 0, high = 2 }", {"freeze_language": True}),
        ("freeze_language = [false, true]", {"lora_rank": 4}),
    ],
)
def test_what_settings_exclude_in_each_other_may_be_drawn(
    tmp_path: Path, line: str, settings: dict[str, Any]
) -> None:
    (tmp_path / "space.toml").write_text(line, encoding="utf-8")
    assert len(read_space(tmp_path / "space.toml", override(TrainConfig("any"), settings), ())) == 1
