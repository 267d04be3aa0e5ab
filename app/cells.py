"""Cells of files that people open in a spreadsheet."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would run as a formula."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def unescaped(cell: str) -> str:
    """What was meant by a cell that was written so that a spreadsheet takes it for text.

    That is an apostrophe before a formula, as ``safe_cell`` writes it, or ``="310…"``.
    """
    if cell[:1] == "'" and cell[1:2] in FORMULA_STARTS:
        return cell[1:]
    if cell[:2] == '="' and cell[-1:] == '"' and len(cell) > 2:
        return cell[2:-1].replace('""', '"')
    return cell
