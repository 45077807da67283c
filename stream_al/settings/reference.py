"""The page of every setting, `deploy/SETTINGS.md`, as Markdown."""

from __future__ import annotations

from stream_al.settings.description import describe
from stream_al.settings.tree import Settings

__all__ = ["page"]

TABLE = ("| setting | type | default | meaning |", "|---|---|---|---|")
HEAD = """\
# Settings

`stream-al config reference` prints this page. A setting can be given in four places. The first one here wins:

1. the command line: `--set budget.share=0.02`
2. the environment: `STREAM_AL_BUDGET__SHARE=0.02`
3. a YAML file, named by `--config` or by `STREAM_AL_CONFIG`: `budget: {share: 0.02}`
4. the default

Lists are written as in YAML everywhere: `STREAM_AL_LABELS__CLASSES='[0, 1]'`,
`--set 'input.exclude=[id, "*.internal"]'`.

`stream-al config check` lists every mistake at once. `stream-al config show` prints the settings in force,
without the secrets.
"""


def page() -> str:
    """Every setting, one table for each section of the tree.

    >>> print(page().splitlines()[0])
    # Settings
    """
    sections: dict[str, list[str]] = {"": []}
    for row in describe():
        cells = (f"`{row.path}`", row.type, f"`{row.default}`", row.description)
        line = "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        sections.setdefault(row.path.rpartition(".")[0], []).append(line)
    parts = [HEAD]
    for section, lines in sections.items():
        title = f"## {section}\n\n{Settings.model_fields[section].description}" if section else "## general"
        parts.append("\n".join([title, "", *TABLE, *lines, ""]))
    return "\n".join(parts)
