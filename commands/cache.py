"""The command cache: stage 1, from raw videos to cached embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

import typer
from typer.core import TyperCommand

from semanticmac.commands.common import check_name, cores, corpus_options, open_encoder
from semanticmac.commands.options import (
    CACHE,
    CacheDir,
    Device,
    EncoderName,
    Exclude,
    Fold,
    Labels,
    NameInCache,
    SplitBy,
    Splits,
    Workers,
)
from semanticmac.commands.ui.screen import CLIPS_FAILED, echo, err, out, print_failures, print_notes

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from semanticmac.cache.keys import Sampling
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.build import BuildReport
    from semanticmac.preprocess.cluster.ray_backend import RayBackend
    from semanticmac.preprocess.decoding.request import Decoder

OLDER_CACHE = (
    "version {} of the decoding made this cache, and its embeddings are kept; some kinds of files "
    "were read wrongly then (docs/stage1.md): `--repair` decodes and encodes every clip anew"
)


class CacheCommand(TyperCommand):
    """`--ray` may stand alone, also before the dataset; Typer's own options have a value always or never."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if "--ray" in args:
            from semanticmac.preprocess.corpora import NAMES

            follow = [*args[1:], "-"]
            alone = [after.startswith("-") or after in NAMES for after in follow]
            args = [
                "--ray=" if word == "--ray" and bare else word
                for word, bare in zip(args, alone, strict=True)
            ]
        return super().parse_args(ctx, args)


def cache(
    dataset: Annotated[
        str,
        typer.Argument(help="mosi, mosei, sims, iemocap, meld, urfunny, mustard, folder, demo …"),
    ],
    root: Annotated[
        Path | None, typer.Option(help="Folder of its download. Default: data/DATASET.")
    ] = None,
    cache: CacheDir = CACHE,
    encoder: EncoderName = None,
    device: Device = "auto",
    workers: Workers = None,
    limit: Annotated[
        int | None, typer.Option(help="Only the first N clips, for a try.", min=1)
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="frames or embeddings: one of the two loops alone.")
    ] = None,
    repair: Annotated[
        bool, typer.Option(help="First check every byte, and make again what is damaged.")
    ] = False,
    picture: Annotated[
        str, typer.Option(help="How frames are stored: jpeg-QUALITY, or png (lossless).")
    ] = "jpeg-95",
    decoder: Annotated[
        str, typer.Option(help="Library that decodes: av, decord or ffmpeg.")
    ] = "av",
    length: Annotated[
        str,
        typer.Option(
            help="How long a clip without end time is: longest (of its frames and its audio) "
            "or pictures (its frames alone)."
        ),
    ] = "longest",
    name: NameInCache = None,
    splits: Splits = None,
    exclude: Exclude = None,
    labels: Labels = None,
    split_by: SplitBy = None,
    fold: Fold = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Spread the work over a Ray cluster: host:port, ray://host:port, auto, local; alone, what Ray finds.",
        ),
    ] = None,
) -> None:
    """Decode raw videos and encode them with frozen ImageBind, once.

    Run it again to go on or to add what is new.
    """
    from contextlib import ExitStack
    from dataclasses import replace

    from semanticmac.cache.keys import Sampling
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.build import Plan, build
    from semanticmac.preprocess.corpora import read_corpus
    from semanticmac.preprocess.decoding.ffmpeg_program import require_program
    from semanticmac.preprocess.decoding.request import Decoder
    from semanticmac.preprocess.previous_build import continued_sampling

    if only not in (None, "frames", "embeddings"):
        raise typer.BadParameter(f"--only {only}: expected `frames` or `embeddings`")
    if decoder not in get_args(Decoder):
        raise typer.BadParameter(f"--decoder {decoder}: expected av, decord or ffmpeg")
    if length not in ("longest", "pictures"):
        raise typer.BadParameter(f"--length {length}: expected `longest` or `pictures`")
    check_name(name)
    try:
        sampling = Sampling(picture=picture, length=cast(Any, length))
    except ValueError as error:
        raise typer.BadParameter(f"--picture {picture}: {error}") from None
    encode = only != "frames"
    if ray is None:
        if encode and device != "auto":
            from semanticmac.run.weights import (
                pick_device,  # not above: it loads the language models' library
            )

            pick_device(device)  # refuses one that is not here
        if only != "embeddings":
            require_program()
    root = root or Path("data") / dataset
    corpus = read_corpus(dataset, root, corpus_options(splits, exclude, labels, split_by, fold))
    corpus = replace(corpus, cached_as=name, clips=corpus.clips[:limit])
    print_notes(corpus.notes)
    encoder = encoder or ("imagebind-tiny" if dataset == "demo" else "imagebind-huge")
    layout = CacheLayout(cache)
    if not repair:
        wanted, sampling = sampling, continued_sampling(layout, corpus.dataset, sampling)
        if sampling != wanted:
            print_notes([OLDER_CACHE.format(sampling.version)])
    plan = Plan(
        root,
        workers or cores(),
        sampling,
        frames=only != "embeddings",
        repair=repair,
        decoder=cast(Decoder, decoder),
    )
    with Screen(err) as screen, ExitStack() as stack:
        loaded = cluster = None
        if ray is not None:
            joining = open_cluster(
                ray, encoder if encode else None, device, workers, sampling, plan.decoder, screen
            )
            cluster = stack.enter_context(joining)
        elif encode:
            loaded = open_encoder(encoder, device, screen)
        report = build(corpus, layout, loaded, plan, screen.progress, cluster)
    print_report(report, layout.failures(corpus.dataset))


def open_cluster(
    address: str,
    encoder: str | None,
    device: str,
    workers: int | None,
    sampling: Sampling,
    decoder: Decoder,
    screen: Screen,
) -> AbstractContextManager[RayBackend]:
    """The cluster to build with; weights that have to be downloaded are so here, once, and not on every machine."""
    from semanticmac.preprocess.cluster.actors import huge_weights
    from semanticmac.preprocess.cluster.ray_backend import join
    from semanticmac.preprocess.encoders.imagebind.download import IMAGEBIND_URL, LICENCE, download

    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(
            f"--device {device} with --ray: expected auto, cpu or cuda; the cluster says which GPU"
        )
    if encoder == "imagebind-huge" and not huge_weights().exists():
        screen.line(LICENCE)
        download(IMAGEBIND_URL, huge_weights(), screen.bytes)
    return join(
        address, encoder, cast(Literal["auto", "cpu", "cuda"], device), workers, sampling, decoder
    )


def print_report(report: BuildReport, listed_in: Path) -> None:
    """What `cache` did, in a sentence; then what a person should know of single clips."""
    if report.nothing_to_do:
        out.print(
            f"{report.dataset}: all {report.cached} clips are cached already, nothing to do",
            highlight=False,
        )
    else:
        out.print(
            f"{report.dataset}: {report.cached} of {report.clips} clips are cached "
            f"({report.decoded} decoded, {report.encoded} encoded now)",
            highlight=False,
        )
    if report.replaced:
        clips = f"{report.replaced} clips of other videos"
        print_notes(
            [
                f"until now {report.dataset} was {clips}, which stay encoded: cache them with another --name to keep both"
            ]
        )
    for dataset in report.incomplete:
        echo(out, dataset, "bold red")
    print_failures(listed_in)
    if report.failed:
        raise typer.Exit(CLIPS_FAILED)
