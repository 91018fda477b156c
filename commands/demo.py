"""The command demo: every step of the project on clips that are rendered first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.cache import cache as build_cache
from semanticmac.commands.common import cores
from semanticmac.commands.eval import eval_
from semanticmac.commands.options import CACHE, RUNS, CacheDir, RunsDir, Settings
from semanticmac.commands.predict import predict
from semanticmac.commands.train import train
from semanticmac.commands.ui.screen import echo, err, out


def demo(
    root: Annotated[Path, typer.Option(help="Folder of the rendered clips.")] = Path("data/demo"),
    cache: CacheDir = CACHE,
    runs: RunsDir = RUNS,
    clips: Annotated[int, typer.Option(help="Number of clips to render.", min=30)] = 320,
    seed: Annotated[int, typer.Option(help="Seed of the clips and of the training.")] = 1,
    set_: Settings = None,
) -> None:
    """Render a small corpus of drawn talking faces, then cache, train, evaluate and predict."""
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.corpora import read_corpus
    from semanticmac.preprocess.corpora.demo import render

    err.rule("1 · render", align="left")
    with Screen(err) as screen:

        def progress(done: int, total: int) -> None:
            screen.progress("rendering clips", done, total, 0)

        render(root, seed=seed, clips=clips, workers=cores(), progress=progress)
    err.rule("2 · cache", align="left")
    build_cache("demo", root=root, cache=cache)
    err.rule("3 · train", align="left")
    run = train(dataset="demo", cache=cache, runs=runs, seed=seed, set_=set_)
    err.rule("4 · eval", align="left")
    eval_(run=[run], cache=cache)
    err.rule("5 · predict", align="left")
    clip = next(clip for clip in read_corpus("demo", root).clips if clip.split == "test")
    label = clip.labels["multimodal"]
    echo(out, f"{clip.video} says “{clip.text}”; its true sentiment is {label:+.2f}")
    predict([clip.video], run=run, text=clip.text, workers=1)
    echo(err, f"\nThe run is in {run}, the clips are in {root}.")
    echo(err, 'Your own video: `semanticmac predict VIDEO --text "…"`')
