"""Names from files are shown and never acted on, wherever on the screen they stand."""

import io
import json

import pytest
from rich.panel import Panel
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from semanticmac.cache.failures import Failure
from semanticmac.cache.keys import Sampling
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.commands.ui.cache import labels_table
from semanticmac.commands.ui.failures import failures_table
from semanticmac.commands.ui.predictions import json_text
from semanticmac.commands.ui.safe_console import SafeConsole, plain_text, printable
from semanticmac.commands.ui.screen import Message, err, out
from semanticmac.core import Task

HOSTILE = {
    "clear the screen": "a\x1b[2Jb.mp4",
    "set the title": "a\x1b]0;owned\x07b.mp4",
    "C1 introducer": "a\x9b2Jb.mp4",
    "overwrite the line": "bad\rgood.mp4",
    "backspace": "bad\x08\x08\x08good.mp4",
    "right to left": "a\u202e4pm.exe",
    "isolate": "a\u2067b\u2069.mp4",
    "line separator": "a\u2028b.mp4",
    "bytes that are no UTF-8": "a\udcffb.mp4",
    "null": "a\x00b.mp4",
}
PLAIN_ROW = {
    **{"clip_id": "a", "key": "0" * 32, "video": "", "start_s": 0.0, "end_s": None, "text": ""},
    **{"split": "train", "frames": 1, "duration_s": 0.5, "has_vision": True, "has_audio": True},
}
ALLOWED_CONTROLS = {"\n"}


def is_safe(shown: str) -> bool:
    """Nothing in the text is acted on by a terminal."""
    for character in shown:
        unprintable = not character.isprintable() and character not in ALLOWED_CONTROLS
        if unprintable:
            return False
    return True


def in_table(name: str) -> Table:
    table = Table(title=plain_text(name))
    table.add_column(plain_text(name))
    table.add_row(plain_text(name))
    return table


RAW_VIEWS = {
    "text": Text,
    "markup": lambda name: f"[bold]{name}",
    "panel": Panel,
    "table": lambda name: Table(title=name),
}
VIEWS = {
    "message": lambda name: Message(f"note: {name}"),
    "table": in_table,
    "failures": lambda name: failures_table(
        [Failure(name, name, f"cannot read {name}", cached=False)]
    ),
}


def shown(view: object) -> str:
    """What a terminal of 200 columns receives."""
    file = io.StringIO()
    SafeConsole(file=file, width=200, color_system=None).print(view)
    return file.getvalue()


@pytest.mark.parametrize("view", RAW_VIEWS)
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_only_text_in_any_view(view, name):
    assert is_safe(shown(RAW_VIEWS[view](name)))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_shown_whole(view, name):
    assert is_safe(shown(VIEWS[view](name)))
    assert printable(name) in shown(VIEWS[view](name))


def test_a_class_name_is_no_markup():
    task = Task("single-label", ("[red]happy", "sad\x1b[2J"))
    rows = [Row(**PLAIN_ROW, label=task.encode(name)) for name in task.classes]
    table = shown(labels_table(Manifest("planted", task, Sampling(), tuple(rows))))
    assert "[red]happy" in table and r"sad\x1b[2J" in table


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_in_a_progress_bar_is_only_text(name):
    file = io.StringIO()
    console = SafeConsole(file=file, width=200, force_terminal=True, color_system=None)
    with Progress(console=console) as progress:
        progress.add_task(name, total=1)
    assert name not in file.getvalue()


def test_what_was_hostile_is_still_to_be_read():
    assert printable("a\x1b[2J\u202e\udcff.mp4") == r"a\x1b[2J\u202e\udcff.mp4"
    assert printable("表情 🙂 é\tb\n") == "表情 🙂 é\tb\n"


def test_colours_stay():
    file = io.StringIO()
    SafeConsole(file=file, force_terminal=True, color_system="standard").print("[red]x")
    assert "\x1b[31m" in file.getvalue()


def test_the_program_prints_with_it():
    assert isinstance(out, SafeConsole) and isinstance(err, SafeConsole)


def test_json_shows_no_control_character_and_keeps_its_content():
    report = {"clip": "a\u202eb\x9bc\x1bd 你好", "n": [1]}
    text = json_text(report)
    assert json.loads(text) == report
    assert "你好" in text and not set(text) & set("\u202e\x9b\x1b")
