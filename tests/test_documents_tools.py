"""What other tools are to find in this repository is in it: targets, packages, files, images."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # test folders are not packages
from command_lines import Typed, of_program, typed
from documents import PAGES, ROOT, WRITTEN

OF_OURS = re.compile(
    r"(?:[\w-]+=)?((?:bench|configs|core|deploy|docs|examples|fuzz|plugins|tests)/[\w./-]+)"
)


@pytest.mark.parametrize("page", WRITTEN)
def test_files_of_ours_that_commands_name_exist(page: str):
    words = {word for command in typed() if command.page == page for word in command.words}
    places = (ROOT, PAGES[page].parent)
    named = [found[1] for word in words if (found := OF_OURS.match(word))]
    assert [path for path in named if not any((place / path).exists() for place in places)] == []


def test_a_file_of_ours_is_known_among_words():
    words = ("deploy/container/Dockerfile", "ttm=plugins/ttm", "/data/tests/x", "x:docs/y")
    found = [each[1] for word in words if (each := OF_OURS.match(word))]
    assert found == ["deploy/container/Dockerfile", "plugins/ttm"]


# ------------------------------------------------------------------------------------ Makefiles


@pytest.mark.parametrize("command", of_program("make"), ids=str)
def test_make_has_the_target_and_the_variable(command: Typed):
    assert not_made(command) == []


def not_made(command: Typed) -> list[str]:
    """Words that no Makefile of the repository knows."""
    files = [ROOT / "Makefile", *ROOT.glob("examples/*/Makefile")]
    makefiles = [path.read_text("utf-8") for path in files]
    return min(([w for w in command.words[1:] if not _knows(m, w)] for m in makefiles), key=len)


def _knows(makefile: str, word: str) -> bool:
    name, is_variable, _ = word.partition("=")
    place = rf"\$\({name}\)" if is_variable else rf"^{re.escape(name)}:"
    return re.search(place, makefile, re.MULTILINE) is not None


def test_targets_that_there_are_not_would_be_found():
    assert not_made(Typed("", ("make", "fuzz", "tests", "SECOND=6"))) == ["tests", "SECOND=6"]
    assert not_made(Typed("", ("make", "docs", "PYTHON=python3"))) == []


# ------------------------------------------------------------------------------------- packages


@pytest.mark.parametrize("command", of_program("pip"), ids=str)
def test_packages_of_ours_have_these_names_and_extras(command: Typed):
    assert not_packaged(command) == []


def not_packaged(command: Typed) -> list[str]:
    """Requirements that name a package or an extra of ours that there is not."""
    found = [_REQUIREMENT.fullmatch(word) for word in command.words[2:]]
    return [m[0] for m in found if m and _is_ours(m) and not _offers(m)]


_REQUIREMENT = re.compile(r"(?P<here>\./)?(?P<name>[\w/-]+)(?:\[(?P<extras>.*)\])?")


def _is_ours(asked: re.Match[str]) -> bool:
    made_by_readers = {"chronotick-damped"}
    name = asked["name"]
    return bool(asked["here"]) or (name.startswith("chronotick") and name not in made_by_readers)


def _offers(asked: re.Match[str]) -> bool:
    if asked["here"] and not (ROOT / asked["name"] / "pyproject.toml").exists():
        return False
    name = asked["name"].replace("core", "chronotick").replace("plugins/", "chronotick-")
    try:
        known = importlib.metadata.metadata(name).get_all("Provides-Extra") or []
    except importlib.metadata.PackageNotFoundError:
        return False
    return set((asked["extras"] or "").split(",")) <= {"", *known}


def test_packages_and_extras_that_there_are_not_would_be_found():
    asked = ("chronotick[daemon,htp]", "chronotick-tmm", "./core[lab]", "./cor", "scipy", "-e", ".")
    wrong = ["chronotick[daemon,htp]", "chronotick-tmm", "./cor"]
    assert not_packaged(Typed("", ("pip", "install", *asked))) == wrong


# ---------------------------------------------------------------------------------------- images

CONTAINER = ROOT / "deploy" / "container"
NAMED_BY = {
    "--target": r"^FROM .* AS {}$",
    "--build-arg": r"^ARG {}\b",
    "--profile": r"^ *profiles: \[{}\]$",
}


@pytest.mark.parametrize("command", of_program("docker"), ids=str)
def test_the_image_and_its_services_have_what_docker_is_asked_for(command: Typed):
    assert not_contained(command) == []


def not_contained(command: Typed) -> list[str]:
    """Stages, arguments and profiles that are in neither file."""
    files = "\n".join((CONTAINER / n).read_text("utf-8") for n in ("Dockerfile", "compose.yaml"))
    named = {  # by what has to be there
        NAMED_BY[option].format(value.partition("=")[0]): value
        for option, value in itertools.pairwise(command.words)
        if option in NAMED_BY
    }
    return [value for line, value in named.items() if not re.search(line, files, re.MULTILINE)]


def test_what_images_lack_would_be_found():
    lines = ("--target model", "--build-arg MODEL=ttm", "--profile htp", "--target models")
    asked = tuple(word for line in lines for word in line.split())
    assert not_contained(Typed("", asked)) == ["model", "MODEL=ttm", "htp"]
