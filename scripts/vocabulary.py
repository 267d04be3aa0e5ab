"""Write into docs/rules.md which metrics, operators and event types there are."""

from __future__ import annotations

from pathlib import Path

from app.activity import event_types, metrics, operators

DOC = Path(__file__).resolve().parents[1] / "docs" / "rules.md"
BEGIN, END = "<!-- written by `make vocabulary` -->\n", "<!-- end -->\n"


def tables() -> str:
    """The registries as Markdown."""
    counts = [f"| `{code}` | {entry.meaning} |" for code, entry in metrics.REGISTRY.items()]
    compares = [f"| `{code}` | {entry.words} |" for code, entry in operators.REGISTRY.items()]
    kinds = [
        f"| `{code}` | {entry.label} | {entry.weight:g} |" for code, entry in event_types.REGISTRY.items()
    ]
    parts = [
        ["| metric | counts |", "|---|---|", *counts],
        ["| op | the value is … the threshold |", "|---|---|", *compares],
        ["| event type | is called | default weight |", "|---|---|---|", *kinds],
    ]
    return "\n" + "".join("\n".join(lines) + "\n\n" for lines in parts)


def updated(text: str) -> str:
    """The document with the tables of today."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + tables() + END + rest.split(END)[1]


if __name__ == "__main__":
    DOC.write_text(updated(DOC.read_text("utf-8")), "utf-8")
