"""The commands that share a cache: export-features, push-features and pull-features."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semanticmac.commands.common import cached_dataset, check_name, given_once
from semanticmac.commands.options import CACHE, CachedDataset, CacheDir, Dataset, NameInCache
from semanticmac.commands.ui.screen import echo, err, out, print_notes
from semanticmac.core import counted

if TYPE_CHECKING:
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.preprocess.sharing.header import Selection
    from semanticmac.preprocess.sharing.restore import Restored

FORMATS = {"parquet": "", "npz": ".npz", "mmsa": ".pkl"}

VisionStreams = Annotated[
    str,
    typer.Option(
        "--vision", help="Vision streams by name, joined by +; `all`, `none`, or the last cached."
    ),
]
AudioStreams = Annotated[
    str, typer.Option("--audio", help="Audio streams by name, joined by +; as --vision.")
]


def export_features(
    name: CachedDataset = None,
    dataset: Dataset = None,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder, or file of npz and mmsa. Default: DATASET-features."),
    ] = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="parquet (a folder with a dataset card, for `datasets` and the hub), npz, or mmsa "
            "(a feature pickle).",
        ),
    ] = "parquet",
    vision: VisionStreams = "last",
    audio: AudioStreams = "last",
    cache: CacheDir = CACHE,
) -> None:
    """Write cached embeddings with texts and labels for other programs. No frame goes along."""
    from semanticmac.preprocess.sharing.array_files import write_mmsa, write_npz
    from semanticmac.preprocess.sharing.licences import binding_licence

    if format_ not in FORMATS:
        raise typer.BadParameter(f"--format {format_}: expected {', '.join(FORMATS)}")
    layout, chosen = _chosen(cache, given_once(name, dataset, "--dataset"), vision, audio)
    data = chosen.manifest.dataset
    path = to or Path(f"{data}-features{FORMATS[format_]}")
    if FORMATS[format_] and path.suffix != FORMATS[format_]:
        raise typer.BadParameter(f"--to {path}: expected a name that ends in {FORMATS[format_]}")
    notes: list[str] = []
    if format_ == "parquet":
        _write_folder(chosen, layout, path, path.name)
    elif format_ == "npz":
        write_npz(chosen, layout.manifest(data), path)
    else:
        notes = write_mmsa(chosen, path)
    echo(out, f"{path}: {counted(len(chosen.manifest.rows), 'clip')}, {_described(chosen)}")
    echo(out, f"licence of the features: {binding_licence(chosen.header.fingerprints).text}")
    print_notes(notes)


def push_features(
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="Repository of the hub.")],
    dataset: Dataset = None,
    vision: VisionStreams = "all",
    audio: AudioStreams = "all",
    private: Annotated[bool, typer.Option("--private", help="Only you can read it.")] = False,
    cache: CacheDir = CACHE,
) -> None:
    """Push cached embeddings to a dataset repository of the hub, with a card.

    Texts and labels go along; frames, audio and paths do not. Files of the repository are replaced.
    """
    from semanticmac.hub import open_hub, require_repository
    from semanticmac.preprocess.sharing.licences import binding_licence

    require_repository(repository)
    layout, chosen = _chosen(cache, dataset, vision, audio)
    hub = open_hub()
    with tempfile.TemporaryDirectory(prefix="semanticmac-push-") as folder:
        path = Path(folder) / "export"
        _write_folder(chosen, layout, path, repository)
        address = hub.upload(path, repository, "dataset", private)
    echo(out, f"{address}: {counted(len(chosen.manifest.rows), 'clip')}, {_described(chosen)}")
    echo(out, f"licence of the features: {binding_licence(chosen.header.fingerprints).text}")


def pull_features(
    repository: Annotated[str, typer.Argument(metavar="USER/NAME", help="Repository of the hub.")],
    name: NameInCache = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit. Default: the newest.")
    ] = None,
    cache: CacheDir = CACHE,
) -> None:
    """Pull embeddings that `push-features` has put on the hub into the cache, to train on them."""
    from semanticmac.hub import open_hub, require_repository

    require_repository(repository)
    check_name(name)
    folder = open_hub().download(repository, "dataset", revision)
    print_restored(restore_export(folder, cache, name))


def restore_export(path: Path, cache: Path, name: str | None) -> Restored:
    """Imports a folder or an .npz of `export-features`. Raises CorpusError for another one."""
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.sharing.array_files import read_npz
    from semanticmac.preprocess.sharing.parquet_folder import read_clips, read_folder
    from semanticmac.preprocess.sharing.restore import SharedClips, restore

    clips: SharedClips
    if path.is_dir():
        manifest, header = read_folder(path)
        clips = read_clips(path, header)
    else:
        manifest, header, clips = read_npz(path)
    with Screen(err) as screen:
        return restore(manifest, header, clips, CacheLayout(cache), screen.progress, name)


def print_restored(report: Restored) -> None:
    from semanticmac.cache.streams import Streams

    streams = Streams.group(report.streams).describe()
    echo(out, f"{report.dataset}: {counted(report.clips, 'clip')} with {streams}")
    print_notes(report.notes)


def _chosen(
    cache: Path, dataset: str | None, vision: str, audio: str
) -> tuple[CacheLayout, Selection]:
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.preprocess.sharing.header import select

    layout = CacheLayout(cache)
    return layout, select(layout, cached_dataset(layout, dataset), vision, audio)


def _write_folder(chosen: Selection, layout: CacheLayout, folder: Path, repository: str) -> None:
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.sharing.parquet_folder import write_folder

    manifest = layout.manifest(chosen.manifest.dataset)
    with Screen(err) as screen:
        write_folder(chosen, manifest, folder, repository, screen.progress)


def _described(chosen: Selection) -> str:
    from semanticmac.cache.streams import Streams

    return Streams.group(chosen.header.fingerprints).describe()
