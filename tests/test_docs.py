"""Every command, option, make target and linked page in the documents exists."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from semanticmac.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = typer.main.get_command(app).commands


def typed(page: Path, program: str) -> list[str]:
    """Lines and `spans` of a page that call a program, without their comments."""
    text = page.read_text(encoding="utf-8")
    blocks = [
        line
        for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    calls = [line.split("#")[0].strip() for line in (*blocks, *spans)]
    return [call for call in calls if call.split(" ")[0] == program and " " in call]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_in_a_page_exists(page):
    for call in [*typed(page, "semanticmac"), *typed(page, "cli")]:
        words = shlex.split(re.sub(r"[…\[\]|]", " ", call))[1:]
        command = COMMANDS.get(words[0])
        if words[0].startswith("-") or words[0].isupper():
            continue
        assert command is not None, (
            f"{page.name} says `{call}`, and there is no command {words[0]!r}"
        )
        if hasattr(command, "commands") and len(words) > 1:
            command = command.commands[words[1]]
        known = {
            option
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        for word in words:
            if word.startswith("--") and word not in ("--debug", "--plain"):
                assert word.split("=")[0] in known, (
                    f"{page.name} says `{call}`, and {words[0]} has no {word}"
                )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_make_target_in_a_page_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for call in typed(page, "make"):
        target = call.split()[1]
        assert target in targets, (
            f"{page.name} says `{call}`, and the Makefile has no target {target}"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_linked_page_exists(page):
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), f"{page.name} links to {link}, which does not exist"


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them from its headings."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    anchors = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        anchors.add(words.replace(" ", "-"))
    return anchors


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_every_linked_heading_exists(page):
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
    for file, anchor in links:
        target = page.parent / file if file else page
        assert anchor in headings(target), f"{page.name} links to {file}#{anchor}"


def test_the_finders_find():
    assert len(typed(ROOT / "README.md", "semanticmac")) >= 6
    assert len(typed(ROOT / "README.md", "make")) >= 5
    assert {"several-scores", "files-of-a-run"} <= headings(ROOT / "docs" / "evaluation.md")


def test_no_help_loses_its_brackets():
    """Rich takes `[word` for a style and drops it, unless a backslash stands before it."""
    for name, command in COMMANDS.items():
        for parameter in command.params:
            text = getattr(parameter, "help", None) or ""
            assert not re.search(r"(?<!\\)\[[a-z@/#]", text), f"{name}: {text}"
