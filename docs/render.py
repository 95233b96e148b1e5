"""Draws a program's text output as an SVG picture: `moodlake demo | python3 docs/render.py > docs/demo.svg`.

Shortens the text so that the picture shows what matters: the lines between two given ones, and of each kind of insight the
first. So docs/demo.svg was made, on Kaggle's tracks:

    moodlake demo --catalog tracks.csv.gz |
        python3 docs/render.py --from "Five kinds" --to "A listening summary" --first-of-each > docs/demo.svg
"""

import argparse
import html
import sys

FONT_SIZE = 14
LINE_HEIGHT = 20
CHARACTER_WIDTH = 8.43
MARGIN = 24
BAR = 34
BUTTONS = ("#f7768e", "#e0af68", "#9ece6a")
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace"


def main() -> None:
    """Read the text, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", default="moodlake demo")
    parser.add_argument("--from", dest="first", default="", help="begin at the first line that has this")
    parser.add_argument("--to", dest="last", default="", help="end before the next line that has this")
    parser.add_argument("--first-of-each", action="store_true", help="of each kind keep the first insight")
    arguments = parser.parse_args()
    lines = chosen(sys.stdin.read().splitlines(), arguments.first, arguments.last)
    if arguments.first_of_each:
        lines = first_of_each(lines)
    sys.stdout.write(picture(lines, arguments.title))


def chosen(lines: list[str], first: str, last: str) -> list[str]:
    """Return the lines from `first` on, up to `last`, without blank ones at either end."""
    start = next(index for index, line in enumerate(lines) if first in line)
    end = next((index for index, line in enumerate(lines) if last and index > start and last in line), len(lines))
    return "\n".join(lines[start:end]).strip("\n").split("\n")


def first_of_each(lines: list[str]) -> list[str]:
    """Return the headings, and of the paragraphs under each the first; a paragraph ends with its figures in brackets."""
    kept = []
    is_wanted = True
    for line in lines:
        is_wanted = is_wanted or not line.startswith(" ")
        if is_wanted:
            kept.append(line)
        if line.startswith("    ["):
            is_wanted = False
    return kept


def picture(lines: list[str], title: str) -> str:
    """Return an SVG of a terminal window."""
    width = round(2 * MARGIN + CHARACTER_WIDTH * max(map(len, lines)))
    height = BAR + 2 * MARGIN + LINE_HEIGHT * len(lines) - 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        f"<title>{html.escape(title)}</title>",
        f'<rect width="{width}" height="{height}" rx="10" fill="#16161e"/>',
        *(f'<circle cx="{24 + 20 * n}" cy="20" r="6" fill="{fill}"/>' for n, fill in enumerate(BUTTONS)),
        f'<g font-family="{FONTS}" font-size="{FONT_SIZE}" xml:space="preserve">',
        f'<text x="{width / 2}" y="25" text-anchor="middle" fill="#787c99">{html.escape(title)}</text>',
    ]
    for number, line in enumerate(lines):
        y = BAR + MARGIN + LINE_HEIGHT * number + 6
        parts.append(f'<text x="{MARGIN}" y="{y}" fill="{colour(line)}">{html.escape(line)}</text>')
    return "\n".join([*parts, "</g>", "</svg>", ""])


def colour(line: str) -> str:
    """Return a bright colour for a line that begins at the margin, a quiet one for figures in brackets."""
    if not line.startswith(" "):
        return "#7aa2f7"
    return "#7f88b0" if line.startswith("    [") else "#c0caf5"


if __name__ == "__main__":
    main()
