"""Writes the first inputs of a fuzz target: `seeds.py sql|flight FOLDER`."""

import hashlib
import itertools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST = 4000


def statements():
    """The statements of the SQL tests and of the shipped scripts."""
    for path in sorted((ROOT / "tests/slt").rglob("*.slt")):
        for block in re.split(r"\n\s*\n", path.read_text()):
            lines = [line for line in block.splitlines() if not line.startswith("#")]
            if lines and lines[0].startswith(("query", "statement")):
                yield "\n".join(lines[1:]).split("\n----")[0]
    for path in sorted((ROOT / "sql").rglob("*.sql")):
        yield from path.read_text().split(";\n")


def deep():
    """Statements that are put around themselves, as deep as is allowed and deeper."""
    shapes = [
        ("create table gold.x (a ", "Nullable(", "int", ")", ")"),
        ("select cast(1 as ", "struct<a int, b ", "int", ">", ")"),
        ("select 1::int", "", "", "[]", ""),
        ("select * from t match_recognize (pattern (", "(", "a", ")", ") define a as true)"),
        ("select * from t match_recognize (pattern (", "", "a", "{1,2}", ") define a as true)"),
        ("select * from a", "", "", " unpivot(x for y in (z))", ""),
        ("from a", "", "", " |> where true", ""),
        ("from a", "", "", " union all from a", ""),
        ("select 1", "", "", " is distinct from 1", ""),
        ("select 1", "", "", " in (1)", ""),
        ("select 'a'", "", "", " similar to 'a'", ""),
        ("select a", "", "", "[1].b", ""),
        ("select ", "interval ", "'1 day'", "", ""),
        ("drop model ml", "", "", ".ml", ""),
        ("", "explain format 'tree' ", "select 1", "", ""),
        ("create model m options (a = ", "[", "1", "]", ") as select 1"),
    ]
    for before, opening, inner, closing, after in shapes:
        for depth in (20, 99, 140):
            yield before + opening * depth + inner + closing * depth + after


def inputs(target):
    """Each seed as the target reads it."""
    for statement in itertools.chain(statements(), deep()):
        text = statement.encode()
        if 0 < len(text) <= LONGEST:
            if target == "sql":
                yield text
            else:
                # GetFlightInfo by an admin and by a listener, DoPut and CreatePreparedStatement with the text as field 1 of the command.
                body = b"\x0a" + length(len(text)) + text
                yield b"\x00\x00" + body
                yield b"\x40\x00" + body
                yield b"\x04\x02" + body + b"\x00" * len(body)
                yield b"\x05\x22" + body


def length(number):
    """A protobuf varint."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def main():
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    for seed in inputs(target):
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)


main()
