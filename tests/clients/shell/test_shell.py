"""`moodlake sql` as someone at a terminal uses it."""

import csv
import json
import re

import pyarrow.parquet as parquet
import pytest
from terminal import CONTROL_C, CONTROL_D, ENTER, UP

PROMPT = r"^\S+> $"
SLOW = "select count(*) from generate_series(1, 100000000000) as s (n) where n % 7 = 3;"


def answer(shell, line):
    """What a line is answered with, to the next prompt."""
    shell.enter(line)
    return shell.until(r"\n\S+> $")


def test_a_statement_goes_on_to_its_semicolon(shell):
    shell.enter("select note_id, note")
    shell.until(r"-> $")
    shell.enter("from gold.notes where note <> 'a;")
    shell.until(r"'> $")
    shell.enter("b' and note <> 'second' /* ;")
    shell.until(r"\*> $")
    shown = answer(shell, "*/ order by note_id;")
    assert "| note_id | note  |\n" in shown
    assert "|       1 | first |\n" in shown
    assert "second" not in shown
    assert re.search(r"^\(1 row, \d+ ms\)$", shown, re.MULTILINE)


def test_several_statements_show_several_results(shell):
    shown = answer(shell, "select 1 as one; select 2 as two;")
    assert shown.index("| one |") < shown.index("| two |")
    assert shown.count("(1 row, ") == 2


def test_backslash_d_lists_and_describes(shell):
    shown = answer(shell, "\\d gold.*")
    assert re.search(r"\| gold +\| notes +\| table \|", shown)
    assert re.search(r"\| gold +\| short_notes +\| view +\|", shown)
    shown = answer(shell, "\\d gold.Notes")
    assert "table gold.notes" in shown
    assert re.search(r"\| note_id +\| bigint +\| not null +\|", shown)
    assert re.search(r"\| note +\| varchar +\| +\|", shown)
    shown = answer(shell, "\\d short_notes")
    assert "view gold.short_notes" in shown
    assert "select note_id from gold.notes where note_id < 3" in shown
    assert "nowhere" in answer(shell, "\\d nowhere").split("error: ")[1]


def test_schemas_models_and_functions_are_listed(shell):
    assert re.search(r"\| gold +\| +2 \|", answer(shell, "\\dn"))
    shown = answer(shell, "\\df pears*")
    assert re.search(r"\| pearson +\| aggregate +\|", shown)
    shown = answer(shell, "\\df recommend")
    assert "recommend('coach'" in shown
    assert "| train_seconds |" in answer(shell, "\\dm")


def test_an_error_is_told_with_its_place_and_the_shell_goes_on(shell):
    shown = answer(shell, "select 1; select frm from frm from;")
    assert "error: statement 2, line 1: " in shown
    shell.enter("select 1")
    shell.until(r"-> $")
    shown = answer(shell, "frm x y;")
    lines = shown.splitlines()
    mark = next(at for at, line in enumerate(lines) if line.strip() == "^")
    assert lines[mark - 1] == "  frm x y"
    assert lines[mark][lines[mark - 1].index("x")] == "^"
    assert "| 3 |" in answer(shell, "select 1 + 2 as n;")


def test_control_c_cancels_a_statement_and_keeps_the_shell(shell):
    shell.enter(SLOW)
    shell.until(r"running \d+ s")
    shell.type(CONTROL_C)
    shell.until(r"cancelled\n\S+> $")
    assert "| 1 |" in answer(shell, "select 1 as n;")


def test_control_c_at_the_prompt_forgets_the_line(shell):
    shell.enter("select 'not this' as x,")
    shell.until(r"-> $")
    shell.type("more" + CONTROL_C)
    shell.until(r"^[^\s-]+> $")
    shown = answer(shell, "select 5 as n;")
    assert "| 5 |" in shown and "error" not in shown
    shell.type(CONTROL_D)
    assert shell.ended() == 0


def test_the_history_is_there_in_the_next_shell(start, lake, home):
    first = start("--dir", str(lake))
    first.until(PROMPT)
    first.enter("select 6 * 7")
    first.until(r"-> $")
    answer(first, "as answer;")
    first.enter("\\q")
    assert first.ended() == 0
    history = home / ".local/state/moodlake/history"
    assert "select 6 * 7\\nas answer;" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
    second = start("--dir", str(lake))
    second.until(PROMPT)
    second.type(UP + UP)
    second.until("answer;")
    second.type(ENTER)
    assert "|     42 |" in second.until(r"\n\S+> $")


def test_a_history_that_cannot_be_kept_stops_nobody(start, lake, tmp_path):
    (tmp_path / "file").write_text("")
    shell = start("--dir", str(lake), variables={"XDG_STATE_HOME": str(tmp_path / "file")})
    shell.until(PROMPT)
    shown = answer(shell, "select 1 as n;")
    assert "| 1 |" in shown and "error" not in shown


def test_tab_completes_names_of_the_lake(shell):
    shell.complete("select note_i", "note_id")
    shell.complete(" fr", "from")
    shell.complete(" gold.sho", "gold.short_notes")
    shown = answer(shell, " order by note_id;")
    assert "|       2 |" in shown and "(2 rows" in shown
    answer(shell, "create table gold.made_later (written_on int);")
    shell.complete("select writ", "written_on")
    shell.type(CONTROL_C)
    shell.until(PROMPT)
    shell.complete("\\tim", "timing")
    assert "timing: off" in answer(shell, "")


def test_the_next_result_goes_into_a_file(shell, tmp_path):
    rows = "select note_id, note from gold.notes order by note_id;"
    for name in ["notes.csv", "notes.json", "notes.parquet"]:
        assert f"the next result goes to {tmp_path / name}" in answer(shell, f"\\o {tmp_path / name}")
        assert "(3 rows in " in answer(shell, rows)
    assert "| first" in answer(shell, rows)
    with (tmp_path / "notes.csv").open() as file:
        assert list(csv.reader(file)) == [["note_id", "note"], ["1", "first"], ["2", "second"], ["3", ""]]
    assert json.loads((tmp_path / "notes.json").read_text())[2] == {"note_id": 3, "note": None}
    assert parquet.read_table(tmp_path / "notes.parquet").to_pydict() == {
        "note_id": [1, 2, 3],
        "note": ["first", "second", None],
    }
    assert "error: " in answer(shell, "\\o notes.xyz")


def test_formats_and_expanded_rows(shell):
    answer(shell, "\\format csv")
    assert "\nnote_id,note\n1,first\n" in answer(shell, "select * from gold.notes where note_id = 1;")
    assert "parquet is no text for a terminal" in answer(shell, "\\format parquet") + answer(shell, "select 1;")
    answer(shell, "\\x on")
    shown = answer(shell, "select * from gold.notes order by note_id;")
    assert "-[ row 1 ]-\nnote_id | 1\nnote    | first\n-[ row 2 ]-" in shown
    answer(shell, "\\x")
    answer(shell, "\\timing off")
    assert "\n(3 rows)\n" in answer(shell, "select * from gold.notes;")


def test_a_file_runs_to_its_first_error(shell, tmp_path):
    script = tmp_path / "script.sql"
    script.write_text("select 'one' as x;\n\\timing off\n\nselect\n  2 as two;\nselect no_column;\nselect 'never' as y;\n")
    shown = answer(shell, f"\\i {script}")
    assert "| one |" in shown and "| two |" in shown
    assert f"error: {script}, statement 3, line 6: " in shown
    assert "never" not in shown
    assert "No such file or directory" in answer(shell, "\\i nowhere.sql")
    own = tmp_path / "own.sql"
    own.write_text(f"\\i {own}\n")
    assert "is it one that runs itself?" in answer(shell, f"\\i {own}")


def test_a_long_result_goes_through_the_pager(start, lake, tmp_path):
    seen = tmp_path / "seen.txt"
    pager = {"PAGER": f"cat >> {seen}"}
    shell = start("--dir", str(lake), variables=pager, rows=24)
    shell.until(PROMPT)
    assert "|     5 |\n" in answer(shell, "select value from generate_series(1, 5);")
    assert not seen.exists()
    shown = answer(shell, "select value from generate_series(1, 100);")
    assert "(100 rows" in shown and " 50 |" not in shown
    assert seen.read_text().count("\n") == 104
    answer(shell, "\\pager off")
    assert "   100 |" in answer(shell, "select value from generate_series(1, 100);")


def test_a_pager_that_is_left_ends_its_statement(start, lake):
    shell = start("--dir", str(lake), variables={"PAGER": "head -n 5"}, rows=24)
    shell.until(PROMPT)
    shown = answer(shell, "select value from generate_series(1, 1000000000000);")
    assert re.search(r"\| +1 \|\n", shown)
    assert re.search(r"\(first [\d,]+ rows", shown)
    assert "error" not in shown


@pytest.mark.parametrize("columns", [30, 200])
def test_a_table_is_as_wide_as_the_terminal(start, lake, columns):
    shell = start("--dir", str(lake), columns=columns)
    shell.until(PROMPT)
    shown = answer(shell, f"select repeat('word ', 60) as text, 1 as n;")
    table = [line for line in shown.splitlines() if line.startswith(("|", "+"))]
    assert {len(line) for line in table} == {columns}
    assert sum(line.count("word") for line in table) == 60


def test_no_color_means_none(start, lake):
    coloured, plain = (
        start("--dir", str(lake), variables=variables) for variables in ({}, {"NO_COLOR": "1"})
    )
    for shell in (coloured, plain):
        shell.until(PROMPT)
        answer(shell, "select 'text' as x;")
    colours = re.compile(rb"\x1b\[[0-9;]*m")
    assert colours.search(coloured.raw)
    assert not re.search(rb"\x1b\[3[0-9]m|\x1b\[1m", plain.raw)


def test_the_editor_gives_the_next_line(start, lake, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/1/7/' \"$1\"\n")
    editor.chmod(0o755)
    shell = start("--dir", str(lake), variables={"EDITOR": str(editor)})
    shell.until(PROMPT)
    answer(shell, "select 1 as n;")
    shell.enter("\\e")
    shell.until(r"select 7 as n;")
    assert "| 7 |" in answer(shell, "")


def test_help_and_what_is_no_command(shell):
    shown = answer(shell, "help")
    assert "\\df [NAME]" in shown and "\\timing [on|off]" in shown
    assert "'\\foo' is no command of this shell, \\? lists them" in answer(shell, "\\foo")
