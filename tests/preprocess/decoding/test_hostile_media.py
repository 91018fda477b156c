"""Media that name other files or addresses: decoding opens nothing but the clip's own file.

Each file is decoded with every decoder while a folder of files that it names is watched, and a port
that it names listens. The watch itself is tested: a library without our limits does open them.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
from support.mov_links import with_alias
from support.watch import FileWatch, PortWatch

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip, DecodeError
from semanticmac.preprocess.decoding import av_file, ffmpeg_program
from semanticmac.preprocess.decoding.decode import decode_clip
from semanticmac.preprocess.decoding.request import Decoder

DECODERS: tuple[Decoder, ...] = ("av", "decord", "ffmpeg")
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {} RTP/AVP 96\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation '
    'id="1" bandwidth="1"><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>'
)
SMIL = '<smil><body><video src="{}"/></body></smil>'
ASX = '<asx version="3.0"><entry><ref href="{}"/></entry></asx>'
REDIRECT = "[Reference]\nRef1={}\n"
VOBSUB = "# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\nid: en, index: 0\n"


@dataclass
class Trap:
    """The hostile files, and the watch over what they name."""

    media: Path
    files: FileWatch
    port: PortWatch

    def touched(self) -> tuple[list[str], int]:
        """The files of others that were opened, and the calls on the port."""
        return self.files.opened(), self.port.calls()


@pytest.fixture(scope="module")
def trap(tmp_path_factory, film) -> Iterator[Trap]:
    private = tmp_path_factory.mktemp("private")
    film(private / "talk.mp4", 1.0)
    film(private / "talk.ts", 1.0)
    (private / "talk.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    for suffix in (".sub", ".ass"):
        (private / f"talk{suffix}").write_bytes(b"\0\0\1\xba" + bytes(60))
    media = tmp_path_factory.mktemp("media")
    port = PortWatch()
    _write_hostile(media, private, f"http://127.0.0.1:{port.port}", film)
    files = FileWatch(private)
    yield Trap(media, files, port)
    files.close()
    port.close()


def _write_hostile(media: Path, private: Path, site: str, film: Any) -> None:
    talk = private / "talk.mp4"
    texts = {
        "hls": HLS.format(private / "talk.ts"),
        "hls-relative": HLS.format(f"../{private.name}/talk.ts"),
        "hls-http": HLS.format(f"{site}/talk.ts"),
        "hls-key": HLS.format(private / "talk.ts").replace(
            "#EXTINF", f'#EXT-X-KEY:METHOD=AES-128,URI="{site}/key"\n#EXTINF'
        ),
        "concat": f"ffconcat version 1.0\nfile '{talk}'\n",
        "concat-relative": f"ffconcat version 1.0\nfile '../{private.name}/talk.mp4'\n",
        "concat-http": f"ffconcat version 1.0\nfile '{site}/talk.mp4'\n",
        "dash": DASH.format(f"file://{talk}"),
        "dash-http": DASH.format(f"{site}/talk.mp4"),
        "sdp": SDP.format(5004),
        "smil": SMIL.format(f"{site}/talk.mp4"),
        "asx": ASX.format(f"{site}/talk.mp4"),
        "redirect": REDIRECT.format(f"{site}/talk.mp4"),
        "vobsub": VOBSUB,
        "ass": f"[Script Info]\nAudio File: {talk}\nVideo File: {talk}\n",
    }
    for kind, text in texts.items():
        for suffix in (".mp4", ".ogg", ".m3u8"):
            (media / (kind + suffix)).write_text(text)
    whole = film(media / "whole.mov", 1.0).read_bytes()
    (media / "alias.mov").write_bytes(with_alias(whole, talk))
    (media / "alias.mp4").write_bytes(with_alias(whole, talk))
    subtitles = media / "links.srt"
    subtitles.write_text(f'1\n00:00:00,000 --> 00:00:01,000\n<a href="{site}/x">{talk}</a>\n')
    command = [ffmpeg_program.program(), "-v", "error", "-i", media / "whole.mov", "-i", subtitles]
    command += ["-c:v", "copy", "-c:s", "srt", "-metadata", f"title={site}/x"]
    subprocess.run([*command, media / "subtitles.mkv"], check=True)
    subtitles.unlink()


def _decode_all(media: Path, decoder: Decoder) -> int:
    """Decodes every hostile file; the number of those that gave a clip."""
    decoded = 0
    for path in sorted(media.iterdir()):
        with contextlib.suppress(DecodeError):
            decode_clip(Clip(path.name, path), Sampling(), decoder=decoder)
            decoded += 1
    return decoded


@pytest.mark.parametrize("decoder", DECODERS)
def test_decoding_opens_no_other_file_and_no_connection(trap: Trap, decoder: Decoder):
    if decoder == "decord":
        pytest.importorskip("decord")
    trap.touched()
    # whole.mov and subtitles.mkv; an alias is not followed, so its frames lie in the file itself.
    assert _decode_all(trap.media, decoder) >= 2
    assert trap.touched() == ([], 0)


@pytest.mark.parametrize(
    ("name", "options", "touches"),
    [
        ("hls.m3u8", {"allowed_extensions": "ALL"}, "talk.ts"),
        ("concat.mp4", {"safe": "0"}, "talk.mp4"),
        ("alias.mov", {"enable_drefs": "1", "use_absolute_path": "1"}, "talk.mp4"),
        ("hls-http.m3u8", {"protocol_whitelist": "file,http,tcp"}, "the port"),
    ],
)
def test_a_library_without_limits_is_caught(trap: Trap, name, options, touches):
    trap.touched()
    with contextlib.suppress(av.FFmpegError), av.open(str(trap.media / name), options=options):
        pass
    files, calls = trap.touched()
    assert touches in ([*files, "the port"] if calls else files)


@pytest.mark.parametrize("decoder", ["av", "ffmpeg"])
def test_the_list_of_containers_is_what_stops_a_playlist(trap: Trap, monkeypatch, decoder):
    """With every container allowed the playlists are followed, and the watch sees it."""
    everything = "hls,concat,mpegts,mov,matroska,ogg"
    for module in (av_file, ffmpeg_program):
        monkeypatch.setattr(module, "CONTAINERS", everything)
    trap.touched()
    with contextlib.suppress(DecodeError):
        path = trap.media / "hls.m3u8"
        decode_clip(Clip("hls", path), Sampling(), decoder=decoder)
    assert trap.touched()[0]
