"""What a document names is there: files, headings, settings and routes."""

from __future__ import annotations

import re
from pathlib import Path

from stream_al.settings import Settings, describe, load
from tests.documents.markdown import README, ROOT, ROUTES, blocks, every_document, prose, quoted, shown_files

FILE_NAME = re.compile(r"\w[\w./*-]*\.(?:py|md|ya?ml|json|txt|svg|toml)|(?:stream_al|deploy|tests)/[\w./*-]*")
OF_THE_READER = shown_files()
SECTIONS = "|".join(Settings.model_fields)
PATHS = {row.path for row in describe()}


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200


@every_document
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if not link.startswith("https://"):
            path, _, heading = link.partition("#")
            target = document.parent / path
            assert target.exists(), link
            assert not heading or heading in headings(target), link


def headings(document: Path) -> set[str]:
    """The anchors that a page of Markdown gives its headings."""
    found = re.findall(r"^#+ (.*)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in found}


@every_document
def test_every_file_that_is_named_is_there(document: Path) -> None:
    """A short name is that of a file below what a table's head names, or beside the file named before it."""
    places = [
        ROOT,
        document.parent,
        *(ROOT / path for path in re.findall("below `([^`]+)`", prose(document))),
    ]
    before = ROOT
    for text in quoted(document):
        name = text.partition("::")[0]
        if FILE_NAME.fullmatch(name) and name not in OF_THE_READER:
            found = [path for place in (*places, before) for path in place.glob(name.rstrip("/"))]
            assert found, name
            before = found[0] if found[0].is_dir() else found[0].parent


@every_document
def test_every_setting_that_is_named_is_there(document: Path) -> None:
    for text in quoted(document):
        if re.fullmatch(rf"(?:{SECTIONS})\.\w+(?:=\S+)?", text):
            assert text.partition("=")[0] in PATHS, text


@every_document
def test_every_block_of_yaml_is_a_file_of_settings(document: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(document, "yaml")):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block.text, encoding="utf-8")
        load(file, environ=dict.fromkeys(re.findall(r"STREAM_AL_\w+", block.text), "of the environment"))


@every_document
def test_every_route_that_is_named_is_there(document: Path) -> None:
    for text in quoted(document):
        if match := re.fullmatch(r"(?:(GET|POST|PATCH) )?(/(?:v1|livez|readyz|metrics)\S*)", text):
            method, path = match.groups()
            assert path in ROUTES, text
            assert method is None or method.lower() in ROUTES[path], text
