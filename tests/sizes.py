"""How much there is to read: ``python -m tests.sizes`` counts the code lines of each part in the README's map."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

from tinygrad_lite.support.formatting import table

ROOT = Path(__file__).parent.parent
LINES_A_MINUTE = 10  # that one reads with understanding
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(path: Path) -> int:
    """Count the lines of a file, or of all in a folder, that are neither blank, nor a comment, nor a docstring."""
    if path.is_dir():
        return sum(map(code_lines, path.rglob("*.py")))
    text = path.read_text(encoding="utf-8")
    counted: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            counted.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            counted.difference_update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(counted)


def parts_in_the_map() -> dict[str, list[Path]]:
    """Return the files and folders of each row of the README's map, by the row's first cell."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [row for row in text.partition("## The map")[2].partition("\n## ")[0].splitlines() if row.startswith("| [")]
    return {
        row.split("|")[1].strip(): [ROOT / target for target in re.findall(r"\]\(([\w./]+)\)", row.split("|")[1])]
        for row in rows
    }


def lines_in_the_map() -> dict[str, int]:
    """Count the code lines of each row; what a folder has in another row does not count in its own."""
    parts = parts_in_the_map()
    inner = {path for paths in parts.values() for path in paths}
    counts = {}
    for row, paths in parts.items():
        within = [path for path in inner if any(outer in path.parents for outer in paths)]
        counts[row] = sum(map(code_lines, paths)) - sum(map(code_lines, within))
    return counts


def main() -> None:
    """Print the lines of each part, and the minutes it takes to read them."""
    rows = [("part", "code lines", "minutes")]
    for count, paths in zip(lines_in_the_map().values(), parts_in_the_map().values(), strict=True):
        names = ", ".join(str(path.relative_to(ROOT)) for path in paths)
        rows.append((names, f"{count:,}", f"{round(count / LINES_A_MINUTE)}"))
    print(table(rows, right=(1, 2)))


if __name__ == "__main__":
    main()
