"""The command that caches a dataset again names all that the cache knows."""

import shlex
from dataclasses import replace

import pytest
import typer

from semanticmac.cache.keys import IMPORTED, Fingerprint, Sampling
from semanticmac.cache.rebuild import cache_command
from semanticmac.cache.streams import Streams
from semanticmac.cli import app

VISION = Fingerprint("vision", "imagebind-tiny", "a", "w", True, 4, Sampling())


def pair(**fields: object) -> Streams:
    """A vision stream and an audio stream that differ in nothing else."""
    vision = replace(VISION, **fields)
    return Streams((vision,), (replace(vision, modality="audio"),))


CLIP = replace(VISION, encoder="clip-large", spec="clip:/models/clip")
WAVLM = replace(
    VISION, modality="audio", encoder="wavlm-large@layer12", spec="wavlm:/models/wavlm@layer12"
)


@pytest.mark.parametrize(
    ("streams", "command"),
    [
        (pair(), "semanticmac cache sims --root DIR --name own --encoder imagebind-tiny"),
        (
            pair(encoder="imagebind-huge@bf16", sampling=Sampling(picture="png")),
            "semanticmac cache sims --root DIR --name own --encoder imagebind-huge@bf16 "
            "--picture png",
        ),
        (pair(encoder="mine"), "semanticmac cache sims --root DIR --name own --encoder FILE"),
        (
            Streams((CLIP,), (WAVLM,)),
            "semanticmac cache sims --root DIR --name own --vision clip:/models/clip "
            "--audio wavlm:/models/wavlm@layer12",
        ),
        (
            Streams(audio=(replace(WAVLM, encoder="logmel-stats", spec=""),)),
            "semanticmac cache sims --root DIR --name own --audio logmel-stats",
        ),
        (
            pair(encoder="imported-own", architecture=f"{IMPORTED}a"),
            "semanticmac import-features FILE --dataset sims --name own",
        ),
    ],
)
def test_the_command_names_all_that_the_cache_knows(streams: Streams, command: str) -> None:
    assert cache_command("own", "sims", streams) == command
    assert "--name" not in cache_command("sims", "sims", streams)
    # The program accepts the command.
    verb, *words = shlex.split(command)[1:]
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    with commands[verb].make_context(verb, words) as context:
        assert context.params["dataset"] == "sims" and context.params["name"] == "own"


def test_further_words_stand_at_the_end() -> None:
    assert cache_command("demo", "demo", pair(), "--repair").endswith(
        "--encoder imagebind-tiny --repair"
    )


def test_names_of_strangers_are_quoted_for_a_shell() -> None:
    streams = Streams((replace(VISION, encoder="x", spec="clip:a; rm -rf b"),), ())
    command = cache_command("mine; touch c", "folder", streams)
    assert "'clip:a; rm -rf b'" in command and "'mine; touch c'" in command
    assert ";" not in shlex.split(command)
