"""Options that several commands share, each with one help text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

CACHE, RUNS = Path("data/cache"), Path("runs")

CacheDir = Annotated[
    Path, typer.Option("--cache", envvar="SEMANTICMAC_CACHE", help="Folder of the feature cache.")
]
RunsDir = Annotated[
    Path, typer.Option("--runs", envvar="SEMANTICMAC_RUNS", help="Folder that holds the runs.")
]
Run = Annotated[Path | None, typer.Option("--run", help="Run folder. Default: the newest run.")]


def _check_device(name: str) -> str:
    """Refuses what is no name of a device before torch is loaded."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise typer.BadParameter(f"device {name!r}: expected auto, cpu, cuda or cuda:N")
    return name


Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …", callback=_check_device)]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        metavar="MODALITY",
        help="Leave out text, audio or vision; with commas between, or repeated.",
    ),
]
_MISSING = "Missing data (docs/missing-data.md)"
Missing = Annotated[
    list[str] | None,
    typer.Option(
        "--missing",
        metavar="PROTOCOL",
        help="Score against the rate of missing data: own, same, modalities, steps, block, subsets "
        "or all; with commas between, or repeated.",
        rich_help_panel=_MISSING,
    ),
]
Draws = Annotated[
    int, typer.Option(help="--missing: random draws at each rate.", min=1, rich_help_panel=_MISSING)
]
DroppedWords = Annotated[
    str,
    typer.Option(
        help="--missing: a dropped word is absent, or unk: replaced by the unknown token.",
        rich_help_panel=_MISSING,
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Decoding processes. Default: one per CPU core.", min=1)
]
EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="Encoder of both: imagebind-huge, imagebind-tiny, or a weights file. NAME@bf16 is "
        "faster on a GPU.",
    ),
]
VisionEncoder = Annotated[
    list[str] | None,
    typer.Option(
        "--vision",
        metavar="ENCODER",
        help="Encoder of frames: KIND:FOLDER (clip, siglip, dino …), or its name. Repeatable.",
    ),
]
AudioEncoder = Annotated[
    list[str] | None,
    typer.Option(
        "--audio",
        metavar="ENCODER",
        help="Encoder of audio: KIND:FOLDER\\[@layerN] (wavlm, hubert, whisper …), or its name.",
    ),
]
_LISTS = "Your own lists (docs/datasets/README.md)"
Splits = Annotated[
    Path | None,
    typer.Option(
        help="CSV with clip_id (or video_id) and split; replaces the splits.",
        rich_help_panel=_LISTS,
    ),
]
Exclude = Annotated[
    Path | None,
    typer.Option(help="CSV with the clip_id of clips to leave out.", rich_help_panel=_LISTS),
]
Labels = Annotated[
    Path | None,
    typer.Option(help="CSV with clip_id and label; replaces the labels.", rich_help_panel=_LISTS),
]
NameInCache = Annotated[
    str | None, typer.Option("--name", help="Name in the cache. Default: the dataset's name.")
]
SplitBy = Annotated[
    str | None,
    typer.Option(
        metavar="GROUP",
        help="Make new splits that keep the clips of a group together: video or speaker; "
        "valid-video or valid-speaker leave test as it is.",
        rich_help_panel=_LISTS,
    ),
]
Fold = Annotated[
    int | None,
    typer.Option(help="mustard: the official fold, from 0.", min=0, rich_help_panel=_LISTS),
]
FromCache = Annotated[
    bool, typer.Option("--from-cache", help="Read the feature cache; this is always so.")
]
CachedDataset = Annotated[
    str | None, typer.Argument(metavar="DATASET", help="Name in the cache, as --dataset.")
]
RunArgument = Annotated[
    Path | None, typer.Argument(metavar="RUN", help="Run folder, as --run.", show_default=False)
]
Dataset = Annotated[
    str | None, typer.Option(help="Name in the cache. Default: the dataset cached last.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable."),
]
# Listed in the help; SettingsCommand handles it, because a word may follow.
ListSettings = Annotated[
    bool,
    typer.Option(
        "--settings", help="List all settings, or those with a word (--settings lr), and exit."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Model to train: semanticmac (default), text, mult, misa … (docs/baselines.md).",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="Start from another preset: paper (default), tuned, or that of a corpus: mosi …"
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(help="Start from the settings of a run: its folder or its config.toml."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


class SettingsCommand(TyperCommand):
    """A command with --set and --settings.

    For `--epochs 2` its error message shows `--set epochs=VALUE`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        from semanticmac.train.config import names

        if "--settings" in args:
            _require_no_changes(args)
            following = args[args.index("--settings") + 1 :]
            is_word = bool(following) and not following[0].startswith("-")
            _print_settings(following[0] if is_word else "", _model_of(args))
        options: set[str] = set()
        for parameter in self.params:
            options.update(parameter.opts)
        for argument in args:
            option = argument.partition("=")[0]
            if not option.startswith("--") or option in options:
                continue
            setting = option.removeprefix("--").replace("-", "_")
            if setting in names(_model_of(args)):
                raise typer.BadParameter(
                    f"{option} is a setting, not an option: give --set {setting}=VALUE"
                )
        return super().parse_args(ctx, args)


def _model_of(args: list[str]) -> str:
    """The value of --model. Raises BadParameter for an unknown model."""
    from semanticmac.model.registry import SEMANTICMAC, UnknownModel, model_entry

    name = SEMANTICMAC
    for place, argument in enumerate(args):
        if argument == "--model" and place + 1 < len(args):
            name = args[place + 1]
        elif argument.startswith("--model="):
            name = argument.partition("=")[2]
    if name == SEMANTICMAC:
        return name
    if name == "svm":
        raise typer.BadParameter(
            "--model: svm is a row of the leaderboard and has no epochs to train: "
            "semanticmac leaderboard --models svm"
        )
    try:
        return model_entry(name).name
    except UnknownModel as error:
        raise typer.BadParameter(f"--model: {error}") from None


def _require_no_changes(args: list[str]) -> None:
    """Raises BadParameter for an option that changes settings: the list shows defaults."""
    for argument in args:
        option = argument.partition("=")[0]
        if option in ("--set", "--preset", "--config", "--seed", "--resume"):
            raise typer.BadParameter(
                f"--settings lists the defaults, which {option} does not change: leave it out"
            )


def _print_settings(word: str, model: str) -> NoReturn:
    from semanticmac.commands.ui.screen import out, print_uncropped
    from semanticmac.commands.ui.settings import settings_table

    print_uncropped(out, settings_table(word, model))
    raise typer.Exit
