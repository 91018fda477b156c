"""The options that several verbs share, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

CACHE, RUNS = Path("data/cache"), Path("runs")

CacheDir = Annotated[
    Path, typer.Option("--cache", envvar="SEMANTICMAC_CACHE", help="Folder of the feature cache.")
]
RunsDir = Annotated[
    Path, typer.Option("--runs", envvar="SEMANTICMAC_RUNS", help="Folder that holds the runs.")
]
Run = Annotated[
    Path | None, typer.Option("--run", help="Run folder. Default: the one trained last.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without", metavar="MODALITY", help="Make text, audio or vision absent; repeatable."
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Decoding processes. Default: one a CPU core.", min=1)
]
EncoderName = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        help="imagebind-huge, imagebind-tiny, or a weights file; NAME@bf16: faster on a GPU.",
    ),
]
_LISTS = "Lists of your own (docs/datasets/README.md)"
Splits = Annotated[
    Path | None,
    typer.Option(
        help="CSV clip_id (or video_id), split: replaces the split.", rich_help_panel=_LISTS
    ),
]
Exclude = Annotated[
    Path | None, typer.Option(help="CSV clip_id: clips to leave out.", rich_help_panel=_LISTS)
]
Labels = Annotated[
    Path | None, typer.Option(help="CSV clip_id, label: replaces labels.", rich_help_panel=_LISTS)
]
NameInCache = Annotated[
    str | None, typer.Option("--name", help="Name in the cache, to keep several folders apart.")
]
SplitBy = Annotated[
    str | None,
    typer.Option(
        metavar="video",
        help="Split anew, the clips of one source video together.",
        rich_help_panel=_LISTS,
    ),
]
Fold = Annotated[
    int | None, typer.Option(help="mustard: official fold, from 0.", min=0, rich_help_panel=_LISTS)
]
FromCache = Annotated[
    bool, typer.Option("--from-cache", help="Read the feature cache; there is no other way.")
]
CachedDataset = Annotated[str | None, typer.Argument(help="Default: the one cached last.")]
Dataset = Annotated[str | None, typer.Option(help="Default: the one cached last.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; repeatable."),
]
Preset = Annotated[
    str | None, typer.Option(help="Begin with another corpus's preset: mosi, meld …")
]
Config = Annotated[
    Path | None,
    typer.Option(help="Begin with the settings of a run: its folder, or the config.toml in it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


class SettingsCommand(TyperCommand):
    """A verb with --set, which tells who writes `--epochs 2` that it is a setting."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        from semanticmac.train.config import names

        own = {option for parameter in self.params for option in parameter.opts}
        for option in (word.partition("=")[0] for word in args if word.startswith("--")):
            if option not in own and (setting := option[2:].replace("-", "_")) in names():
                raise typer.BadParameter(
                    f"{option} is a setting, not an option: give --set {setting}=VALUE"
                )
        return super().parse_args(ctx, args)
