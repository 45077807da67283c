"""Examples of every command, which its `--help` shows at the end. A test parses each of them."""

from __future__ import annotations

import typer

__all__ = ["EXAMPLES", "add_examples"]

EXAMPLES = {
    "serve": (
        "stream-al serve --config stream.yaml",
        "stream-al serve --bootstrap-servers localhost:9092 --set topics.samples=payments",
    ),
    "label-studio": ("stream-al label-studio --set label_studio.url=http://localhost:8082",),
    "demo": (
        "stream-al demo",
        "stream-al demo --desk",
        "stream-al demo --data payments.csv --label fraud --budget 0.02",
    ),
    "simulate": (
        "stream-al simulate --stream shuttle --samples 20000 --budgets 0.01,0.05",
        "stream-al simulate payments.jsonl --label kind --strategies margin,entropy --seeds 5 --json",
        "stream-al simulate --topic payments --from 2026-01-01 --config stream.yaml",
    ),
    "doctor": (
        "stream-al doctor --config stream.yaml",
        "stream-al doctor --newest --records 2000 --json",
        "stream-al doctor --file payments.csv --label kind",
    ),
    "label": (
        "stream-al label --url http://localhost:8080 --annotator ada",
        "stream-al label --json --count 10 --wait --token-file token.txt",
    ),
    "config check": ("stream-al config check --config stream.yaml --set budget.share=0.02",),
    "config show": ("stream-al config show --config stream.yaml --json",),
    "config reference": ("stream-al config reference > SETTINGS.md",),
    "topics create": ("stream-al topics create --config stream.yaml",),
    "examples export": (
        "stream-al examples export --out examples.jsonl",
        "stream-al examples export --format csv --out examples.csv",
    ),
    "labels import": ("stream-al labels import labelled.csv --label kind --id number",),
    "labels correct": ("stream-al labels correct txn-5949 fine --annotator ada",),
    "offsets reset": (
        "stream-al offsets reset --to latest",
        "stream-al offsets reset --to earliest --topic labels",
    ),
    "dlq list": ("stream-al dlq list", "stream-al dlq list --topic labels --reason no_id --json"),
    "dlq show": ("stream-al dlq show labels.dlq-0@12",),
    "dlq replay": (
        "stream-al dlq replay --topic labels --reason unknown_id",
        "stream-al dlq replay --id labels.dlq-0@12 --set label=fraud",
    ),
    "model show": ("stream-al model show --config stream.yaml --json",),
    "model rebuild": ("stream-al model rebuild --config stream.yaml",),
    "contracts show": ("stream-al contracts show query",),
    "contracts write": ("stream-al contracts write contracts --config stream.yaml",),
}
"""The commands by name, each with the lines that its help shows."""


def add_examples(app: typer.Typer, group: str = "") -> None:
    """Put the examples at the end of the help of all commands of an application, and of its groups."""
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        lines = EXAMPLES[f"{group} {name}".strip()]
        # Only a blank line ends a line of an epilogue.
        command.epilog = "\n\n".join(["Examples:" if len(lines) > 1 else "Example:", *lines])
    for inner in app.registered_groups:
        if inner.typer_instance is not None:
            add_examples(inner.typer_instance, inner.name if isinstance(inner.name, str) else group)
