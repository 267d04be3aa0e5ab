"""Write the tables of metrics, operators and event types into docs/rules.md."""

from __future__ import annotations

from pathlib import Path

from app.activity import event_types, metrics, operators

DOC = Path(__file__).resolve().parents[1] / "docs" / "rules.md"
BEGIN, END = "<!-- written by `make vocabulary` -->\n", "<!-- end -->\n"


def tables() -> str:
    """Return the registries as Markdown."""
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
    """Return the document with the current tables."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + tables() + END + rest.split(END)[1]


if __name__ == "__main__":
    DOC.write_text(updated(DOC.read_text("utf-8")), "utf-8")
