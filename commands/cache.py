"""The command cache: stage 1, from raw videos to cached embeddings."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

import typer
from typer.core import TyperCommand

from semanticmac.commands.common import check_name, cores, corpus_options
from semanticmac.commands.options import (
    CACHE,
    AudioEncoder,
    CacheDir,
    Device,
    EncoderName,
    Exclude,
    Fold,
    Labels,
    NameInCache,
    SplitBy,
    Splits,
    VisionEncoder,
    Workers,
)
from semanticmac.commands.ui.screen import CLIPS_FAILED, echo, err, out, print_notes
from semanticmac.core import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from semanticmac.cache.keys import Sampling
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.build import BuildReport
    from semanticmac.preprocess.clip import Corpus
    from semanticmac.preprocess.cluster.ray_backend import RayBackend
    from semanticmac.preprocess.decoding.request import Decoder
    from semanticmac.preprocess.encoders.protocol import Encoder
    from semanticmac.preprocess.encoders.requests import EncoderRequest

OLDER_CACHE = (
    "this cache was made by version {} of the decoding, and its embeddings are kept. That version "
    "read some kinds of files wrongly (docs/stage1.md): `--repair` decodes and encodes every clip "
    "anew"
)


class CacheCommand(TyperCommand):
    """The command cache, whose option --ray may stand without a value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Writes a bare `--ray` as `--ray=`: Typer's options take a value always or never."""
        from semanticmac.preprocess.corpora import NAMES

        rewritten = []
        for position, argument in enumerate(args):
            if argument == "--ray":
                following = args[position + 1 : position + 2]
                if not following or following[0].startswith("-") or following[0] in NAMES:
                    argument = "--ray="
            rewritten.append(argument)
        return super().parse_args(ctx, rewritten)


def cache(
    dataset: Annotated[
        str,
        typer.Argument(help="mosi, mosei, sims, iemocap, meld, urfunny, mustard, folder, demo …"),
    ],
    root: Annotated[
        Path | None, typer.Option(help="Folder of the download. Default: data/DATASET.")
    ] = None,
    cache: CacheDir = CACHE,
    encoder: EncoderName = None,
    vision: VisionEncoder = None,
    audio: AudioEncoder = None,
    device: Device = "auto",
    workers: Workers = None,
    limit: Annotated[
        int | None, typer.Option(help="Only the first N clips, for a first try.", min=1)
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="`frames` decodes without encoding; `embeddings` encodes decoded clips."),
    ] = None,
    repair: Annotated[
        bool, typer.Option(help="Check every byte first and make damaged parts again.")
    ] = False,
    picture: Annotated[
        str, typer.Option(help="How frames are stored: jpeg-QUALITY, or png (lossless).")
    ] = "jpeg-95",
    decoder: Annotated[
        str, typer.Option(help="Library that decodes: av, decord or ffmpeg.")
    ] = "av",
    face_px: Annotated[
        int | None,
        typer.Option(
            help="Short side of the frames that faces are cut from, for --vision faces:… "
            "(default 224). Larger ones are read from the videos again.",
            min=224,
            max=2160,
        ),
    ] = None,
    length: Annotated[
        str,
        typer.Option(
            help="Duration of a clip without an end time: longest (the longer of frames and "
            "audio) or pictures (the frames)."
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
            help="Use a Ray cluster: host:port, ray://host:port, auto or local. "
            "Without an address: the cluster that Ray finds.",
        ),
    ] = None,
) -> None:
    """Decode raw videos and encode them with frozen encoders, once.

    The same command resumes an interrupted build and adds new clips. With another encoder it adds a
    stream of embeddings; it then reads the decoded clips and opens no video.
    """
    from dataclasses import replace

    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.corpora import read_corpus, require_name, require_root
    from semanticmac.preprocess.decoding.ffmpeg_program import require_program
    from semanticmac.preprocess.decoding.request import Decoder
    from semanticmac.preprocess.encoders.requests import requests, require_encoders

    if only not in (None, "frames", "embeddings"):
        raise typer.BadParameter(f"--only {only}: expected `frames` or `embeddings`")
    if decoder not in get_args(Decoder):
        raise typer.BadParameter(f"--decoder {decoder}: expected av, decord or ffmpeg")
    check_name(name)
    sampling = _sampling(picture, length)
    root = root or Path("data") / dataset
    require_name(dataset)
    require_root(dataset, root)
    if encoder or vision or audio:
        require_encoders(requests(encoder, vision or [], audio or []))
    if ray is None and only != "frames":
        _require_device(device)
    corpus = read_corpus(dataset, root, corpus_options(splits, exclude, labels, split_by, fold))
    corpus = replace(corpus, cached_as=name, clips=corpus.clips[:limit])
    print_notes(corpus.notes)
    print_notes(long_text_notes(dataset, [clip.text for clip in corpus.clips]))

    layout = CacheLayout(cache)
    if corpus.texts_only:
        if encoder or vision or audio:
            raise typer.BadParameter(
                f"{root / 'clips.csv'} has no column `file`, so there is nothing to encode: leave "
                "out --encoder, --vision and --audio"
            )
        _cache_texts(corpus, layout)
        return
    if ray is None and only != "embeddings":
        require_program()

    # Imported here because they load torch: whatever is mistyped was refused before.
    from semanticmac.preprocess.build import BuildOptions, build
    from semanticmac.preprocess.encoders.requests import finder_specs, open_encoders, with_face_px
    from semanticmac.preprocess.previous_build import continued_sampling

    if not repair:
        requested, sampling = sampling, continued_sampling(layout, corpus.dataset, sampling)
        if sampling != requested:
            print_notes([OLDER_CACHE.format(sampling.version)])
    asked = with_face_px(_requests(dataset, only, encoder, vision or [], audio or []), face_px)
    if face_px is not None and not any(finder_specs(asked)):
        raise typer.BadParameter(
            f"--face-px {face_px}: no encoder reads faces; expected --vision "
            "faces:DETECTOR.onnx:ENCODER"
        )
    plan = BuildOptions(
        root,
        workers or cores(),
        sampling,
        frames=only != "embeddings",
        repair=repair,
        decoder=cast(Decoder, decoder),
    )
    with Screen(err) as screen, ExitStack() as stack:
        loaded: Sequence[Encoder] = ()
        cluster = None
        if ray is not None:
            connection = _open_cluster(ray, asked, device, workers, sampling, plan.decoder, screen)
            cluster = stack.enter_context(connection)
        else:
            loaded = open_encoders(asked, device, screen.bytes, screen.line)
        report = build(corpus, layout, loaded, plan, screen.progress, cluster)
    print_report(report, layout.failures(corpus.dataset))


def _cache_texts(corpus: Corpus, layout: CacheLayout) -> None:
    from semanticmac.preprocess.build_texts import build_texts

    print_report(build_texts(corpus, layout), layout.failures(corpus.dataset))


def long_text_notes(corpus: str, texts: Sequence[str]) -> list[str]:
    """A warning where training will cut texts with its usual settings.

    A word or a Chinese character is one token or more, so a text is counted only if it is surely
    too long. Training counts the tokens of its language model.
    """
    from semanticmac.train.toml_settings import preset

    limit = preset(corpus).model.max_tokens
    long = 0
    for text in texts:
        chinese = sum("\u4e00" <= character <= "\u9fff" for character in text)
        long += len(text.split()) + chinese > limit
    if not long:
        return []
    return [
        f"{long} of {len(texts)} texts have more than {limit} words: training cuts them, unless it "
        "is given a greater max_tokens, or a text_window (docs/language-models.md)"
    ]


def _requests(
    dataset: str, only: str | None, encoder: str | None, vision: list[str], audio: list[str]
) -> tuple[EncoderRequest, ...]:
    """The encoders to build with; none to decode only."""
    from semanticmac.preprocess.encoders.requests import requests

    if only == "frames":
        return ()
    if encoder is None and not vision and not audio:
        encoder = "imagebind-tiny" if dataset == "demo" else "imagebind-huge"
    return requests(encoder, vision, audio)


def _sampling(picture: str, length: str) -> Sampling:
    from semanticmac.cache.keys import Sampling

    if length not in ("longest", "pictures"):
        raise typer.BadParameter(f"--length {length}: expected `longest` or `pictures`")
    try:
        return Sampling(picture=picture, length=cast(Any, length))
    except ValueError as error:
        raise typer.BadParameter(f"--picture {picture}: {error}") from None


def _require_device(device: str) -> None:
    """Raises RunError if this machine lacks the device."""
    if device != "auto":
        # Imported here because it loads torch.
        from semanticmac.run.device import pick_device

        pick_device(device)


def _open_cluster(
    address: str,
    encoders: Sequence[EncoderRequest],
    device: str,
    workers: int | None,
    sampling: Sampling,
    decoder: Decoder,
    screen: Screen,
) -> AbstractContextManager[RayBackend]:
    """The cluster to build with. Missing weights are downloaded here once, not on every machine."""
    from semanticmac.preprocess.cluster.actors import huge_weights
    from semanticmac.preprocess.cluster.ray_backend import join
    from semanticmac.preprocess.encoders.imagebind.download import IMAGEBIND_URL, LICENCE, download
    from semanticmac.preprocess.encoders.requests import needs_huge_weights

    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(
            f"--device {device} with --ray: expected auto, cpu or cuda; the cluster chooses the GPU"
        )
    if needs_huge_weights(encoders) and not huge_weights().exists():
        screen.line(LICENCE)
        download(IMAGEBIND_URL, huge_weights(), screen.bytes)
    return join(
        address, encoders, cast(Literal["auto", "cpu", "cuda"], device), workers, sampling, decoder
    )


def print_report(report: BuildReport, failures: Path) -> None:
    """Prints the result of a build and its failed clips. Raises Exit if a clip failed."""
    from semanticmac.commands.ui.failures import print_failures

    if report.nothing_to_do:
        text = f"{counted(report.cached, 'clip', 'are')} cached already, nothing to do"
    else:
        text = (
            f"{report.cached} of {counted(report.clips, 'clip', 'are')} cached "
            f"({report.decoded} decoded, {report.encoded} encoded now)"
        )
    out.print(f"{report.dataset}: {text}", highlight=False)
    if report.replaced:
        print_notes(
            [
                f"until now {report.dataset} was {counted(report.replaced, 'clip')} of other "
                "videos. They stay encoded: cache them with another --name to keep both"
            ]
        )
    print_notes(report.copies)
    for sentence in report.incomplete:
        echo(out, sentence, "bold red")
    print_failures(failures)
    if report.refused:
        sentence = f"{counted(report.refused, 'cached clip')} could not be encoded now"
        echo(out, sentence, "bold red")
    if report.failed or report.refused:
        raise typer.Exit(CLIPS_FAILED)
