"""The user guide: chapters in Markdown under docs/guide, shown and searched in the product."""
