"""The page of a time line: hostile texts are only shown, nothing comes from a network."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from semanticmac.core import SUB_TASKS, Dimension, Kind, Task
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.report.timeline_page import render_timeline
from semanticmac.eval.timeline import Moment, SpokenWord, Timeline

HOSTILE = """</script><script>alert(1)</script>"'><img src=x onerror=alert(2)>{{ 7*7 }}"""
SCORE = Task("regression")
TASKS: dict[str, Task] = {"score": SCORE}
TASKS["scores"] = Task("regression", dimensions=(Dimension("a", 1, 5), Dimension("b", 1, 5)))
KINDS: tuple[Kind, ...] = ("binary", "single-label", "multi-label")
for _kind in KINDS:
    TASKS[_kind] = Task(_kind, ("no", "yes"))


def timeline(task: Task = SCORE) -> Timeline:
    outputs: dict[str, list[float] | None] = {name: [0.5] * task.width for name in SUB_TASKS}
    outputs["text"], outputs["audio"] = [2.0, -2.0][: task.width], [-2.0, 2.0][: task.width]
    bounds = ((-0.5, 1.5),) * len(task.dimensions)
    prediction = Prediction("c", task, outputs, (), bounds, ("audio",))
    words = (SpokenWord("two", 1.0, 1.2), SpokenWord("words", 1.3, 1.5))
    moments = (
        Moment(1.0, 2.0, "two words", "Ann", words, prediction, b"jpeg", ("often", "once")),
        Moment(3.0, 4.0, "no times", "Bob", (), prediction, None, ("often",)),
        Moment(5.0, 6.0, None, None, (), None, None, ("damaged",)),
    )
    return Timeline(
        "talks/talk.mp4", 720.0, task, ("text", "audio"), "run", "demo", moments, ("a remark",)
    )


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.mark.parametrize("name", TASKS)
def test_every_kind_of_task_has_a_page(name) -> None:
    page = render_timeline(timeline(TASKS[name]), video_url="talk.mp4")
    assert "<title>talk.mp4 · time line</title>" in page
    assert "text and audio disagree" in page and "unlike training: audio" in page
    tags = Tags(page)
    assert all(image.get("alt") for image in tags.of("img"))
    assert all(
        drawing.get("aria-label") or drawing.get("aria-hidden") for drawing in tags.of("svg")
    )


def test_hostile_texts_are_only_shown() -> None:
    original = timeline()
    first = original.moments[0]
    words = (SpokenWord(HOSTILE, 1.0, 2.0),)
    hostile = replace(first, text=HOSTILE, speaker=HOSTILE, words=words, remarks=(HOSTILE,))
    page = render_timeline(
        replace(
            original,
            video=f"{HOSTILE}\udcff",
            run=HOSTILE,
            dataset=HOSTILE,
            remarks=(HOSTILE,),
            moments=(hostile, original.moments[2]),
        ),
        video_url=HOSTILE,
    )
    page.encode()
    tags = Tags(page)
    assert len(tags.of("script")) == 1 and not tags.of("img")[1:]
    assert not any("onerror" in attributes for _, attributes in tags.tags)
    assert "49" not in re.findall(r"\{\{.*?\}\}", page) and "{{ 7*7 }}" in page
    assert tags.of("video")[0]["src"] == HOSTILE


def test_nothing_comes_from_a_network_and_only_this_script_runs() -> None:
    page = render_timeline(timeline(), video_url=None)
    tags = Tags(page)
    assert not tags.of("link") and not tags.of("iframe") and not tags.of("video")
    for tag, attributes in tags.tags:
        source = attributes.get("src") or ""
        assert not source or source.startswith("data:"), (tag, source)
    [script] = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [meta["content"] for meta in tags.of("meta") if meta.get("http-equiv")]
    assert policy is not None and f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'") and "http" not in policy


def test_an_embedded_video_is_data_that_the_script_reads() -> None:
    page = render_timeline(timeline(), video_url="data:video/mp4;base64,AAAA")
    [film] = [each for each in Tags(page).of("script") if each.get("id") == "film"]
    assert film["data-type"] == "video/mp4" and ">AAAA</script>" in page


def test_words_have_their_seconds_and_remarks_of_most_stand_once() -> None:
    page = render_timeline(timeline(), video_url=None)
    assert '<span data-t="1.00">two</span> <span data-t="1.30">words</span>' in page
    assert "<span>no times</span>" in page and "no transcript" in page
    assert page.count("often") == 1 and "often (2 of 3 utterances)" in page
    assert '<p class="remark">once</p>' in page and "damaged" in page


def test_the_facts_and_filters() -> None:
    page = render_timeline(timeline(), video_url=None)
    assert "<dt>mean score</dt><dd>+0.50</dd>" in page and "<dd>12:00</dd>" in page
    assert re.search(r'value="disagree">modalities disagree <span class="quiet">2<', page)
    assert re.search(r'value="failed">no prediction <span class="quiet">1<', page)
