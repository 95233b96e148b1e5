//! `moodlake sql` without a terminal: scripts, formats, files.

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::{FileReader, StreamReader};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::program::{command, moodlake};
use crate::text;

const ROWS: &str = "select value as n, 'row ' || value as name from generate_series(1, 20000) \
                    order by value";
const ROW_COUNT: i64 = 20_000;

#[test]
fn csv_is_plain_and_alone_on_standard_output() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sql = "select true as yes, cast('2026-03-01T07:58:12Z' as timestamp with time zone) as at, \
               'a \"quoted\", text' as t, cast(null as bigint) as n, 0.5 as f";
    let run = moodlake(&["sql", sql, "--dir", text(dir.path()), "--format", "csv"])?.ok()?;
    assert_eq!(
        run.stdout,
        "yes,at,t,n,f\ntrue,2026-03-01T07:58:12Z,\"a \"\"quoted\"\", text\",,0.5\n"
    );
    Ok(())
}

#[test]
fn several_statements_run_in_order_and_the_last_query_is_printed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let script = dir.path().join("script.sql");
    fs::write(
        &script,
        "create table gold.numbers as select 1 as x;\n\
         -- a semicolon; in a comment\n\
         insert into gold.numbers values (2);\n\
         select 'not this' as x;\n\
         select x from gold.numbers order by x;\n",
    )?;
    let lake = dir.path().join("lake");
    fs::create_dir(&lake)?;
    let arguments = [
        "--file",
        text(&script),
        "--dir",
        text(&lake),
        "--format",
        "csv",
    ];
    let run = moodlake(&[&["sql"], &arguments[..]].concat())?.ok()?;
    assert_eq!(run.stdout, "x\n1\n2\n");
    assert!(run.stderr.contains("1 row changed"), "{}", run.stderr);
    let again = moodlake(&[&["sql"], &arguments[..]].concat())?;
    assert!(
        again.stderr.contains("script.sql, statement 1, line 1: "),
        "{}",
        again.stderr
    );
    Ok(())
}

#[test]
fn statements_come_from_standard_input_too() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let arguments = ["sql", "--format", "json", "--dir", text(dir.path())];
    let mut child = command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("no standard input")?
        .write_all(b"select 1 as one, null as none")?;
    let output = child.wait_with_output()?;
    let value: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(value, serde_json::json!([{"one": 1, "none": null}]));
    Ok(())
}

/// How many rows, and the sum of their first column.
fn summed(batches: &[RecordBatch]) -> (usize, i64) {
    let sum = |batch: &RecordBatch| -> i64 {
        let numbers = batch.column(0).as_primitive::<Int64Type>();
        numbers.iter().flatten().sum()
    };
    (
        batches.iter().map(RecordBatch::num_rows).sum(),
        batches.iter().map(sum).sum(),
    )
}

fn whole() -> (usize, i64) {
    (20_000, ROW_COUNT * (ROW_COUNT + 1) / 2)
}

#[test]
fn a_file_has_the_format_of_its_ending() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path().join("lake");
    fs::create_dir(&lake)?;
    let path = |name: &str| dir.path().join(name);
    for name in ["a.csv", "a.ndjson", "a.arrow", "a.arrows", "a.parquet"] {
        let out = path(name);
        let arguments = ["sql", ROWS, "--dir", text(&lake), "--output", text(&out)];
        let run = moodlake(&arguments)?.ok()?;
        assert_eq!(
            (run.stdout, run.stderr),
            (String::new(), String::new()),
            "{name}"
        );
    }
    let lines = fs::read_to_string(path("a.csv"))?;
    assert_eq!(lines.lines().count(), 20_001);
    assert!(lines.starts_with("n,name\n1,row 1\n") && lines.ends_with("\n20000,row 20000\n"));
    let lines = fs::read_to_string(path("a.ndjson"))?;
    assert_eq!(lines.lines().count(), 20_000);
    assert_eq!(lines.lines().next(), Some("{\"n\":1,\"name\":\"row 1\"}"));
    let batches = FileReader::try_new(File::open(path("a.arrow"))?, None)?;
    assert_eq!(summed(&batches.collect::<Result<Vec<_>, _>>()?), whole());
    let batches = StreamReader::try_new(File::open(path("a.arrows"))?, None)?;
    assert_eq!(summed(&batches.collect::<Result<Vec<_>, _>>()?), whole());
    let batches = ParquetRecordBatchReaderBuilder::try_new(File::open(path("a.parquet"))?)?;
    assert_eq!(
        summed(&batches.build()?.collect::<Result<Vec<_>, _>>()?),
        whole()
    );
    assert_eq!(fs::read_dir(dir.path())?.count(), 6, "nothing else is left");
    Ok(())
}

#[test]
fn arrow_on_standard_output_is_a_stream() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let arguments = ["sql", ROWS, "--dir", text(dir.path()), "--format", "arrow"];
    let output = command(&arguments).output()?;
    let batches = StreamReader::try_new(Cursor::new(output.stdout), None)?;
    assert_eq!(summed(&batches.collect::<Result<Vec<_>, _>>()?), whole());
    Ok(())
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path().join("lake");
    fs::create_dir(&lake)?;
    let out = dir.path().join("rows.csv");
    fs::write(&out, "as it was")?;
    let failing = "select 1 / (value - 15000) as x from generate_series(1, 20000)";
    for statement in [failing, "select 1 as x from nowhere", "create schema other"] {
        let arguments = [
            "sql",
            statement,
            "--dir",
            text(&lake),
            "--output",
            text(&out),
        ];
        let run = moodlake(&arguments)?;
        assert_eq!(run.code, 1, "{statement}: {}", run.stderr);
        assert_eq!(fs::read_to_string(&out)?, "as it was", "{statement}");
    }
    assert_eq!(fs::read_dir(dir.path())?.count(), 2);
    for (name, fault) in [
        (
            "rows.xyz",
            "rows.xyz: its ending says no format; use .csv, ",
        ),
        (
            "nowhere/rows.csv",
            "nowhere/rows.csv: No such file or directory",
        ),
    ] {
        let path = dir.path().join(name);
        let run = moodlake(&[
            "sql",
            "select 1",
            "--dir",
            text(&lake),
            "--output",
            text(&path),
        ])?;
        assert!(
            run.code != 0 && run.stderr.contains(fault),
            "{}",
            run.stderr
        );
    }
    Ok(())
}

#[test]
fn rows_of_a_table_are_under_one_another() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sql = "select * from (values (1, 'one'), (1000, null)) as t (n, name)";
    let print = |format: &str| -> Result<String> {
        let arguments = ["sql", sql, "--dir", text(dir.path()), "--format", format];
        Ok(moodlake(&arguments)?.ok()?.stdout)
    };
    let line = "+------+------+\n";
    let rows = "|    1 | one  |\n| 1000 |      |\n";
    assert_eq!(
        print("table")?,
        format!("{line}|    n | name |\n{line}{rows}{line}")
    );
    let rows = "-[ row 1 ]-\nn    | 1\nname | one\n-[ row 2 ]-\nn    | 1000\nname |\n";
    assert_eq!(print("expanded")?, rows);
    Ok(())
}

#[test]
fn timing_is_told_for_each_statement() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sql = "create table gold.t as select 1 as x; select 1 as x; select x from gold.t";
    let arguments = [
        "sql",
        sql,
        "--dir",
        text(dir.path()),
        "--timing",
        "--format",
        "csv",
    ];
    let run = moodlake(&arguments)?.ok()?;
    assert_eq!(run.stdout, "x\n1\n");
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, what) in lines.iter().zip(["1 row changed, ", "1 row, ", "1 row, "]) {
        let time = line
            .strip_prefix(what)
            .with_context(|| (*line).to_string())?;
        assert!(time.ends_with(" ms") || time.ends_with(" s"), "{line}");
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_no_file() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path().join("lake");
    fs::create_dir(&lake)?;
    let out = dir.path().join("rows.csv");
    let endless = "select value from generate_series(1, 1000000000000)";
    let arguments = ["sql", endless, "--dir", text(&lake), "--output", text(&out)];
    let mut child = command(&arguments).stderr(Stdio::piped()).spawn()?;
    // Once there is a file beside it, rows are being written.
    let names = |dir: &Path| -> Result<usize> { Ok(fs::read_dir(dir)?.count()) };
    while names(dir.path())? < 2 {
        ensure!(child.try_wait()?.is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()?;
    assert!(interrupt.success());
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8(output.stderr)?, "cancelled\n");
    assert_eq!(names(dir.path())?, 1, "only the lake is left");
    Ok(())
}
