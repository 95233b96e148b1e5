//! The program from outside: exit codes, help, formats, and what each command leaves behind.

mod cli {
    mod user;
}
mod program;
#[path = "cli/sql.rs"]
mod sql;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use moodlake::client::Client;
use program::{command, finish, moodlake, rows};
use tempfile::TempDir;

const COMMANDS: [&str; 7] = [
    "demo", "generate", "import", "build", "sql", "serve", "user",
];

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// A folder with generated files in `data`, few but enough to import.
fn generated() -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    generate(&dir.path().join("data"), "1")?;
    Ok(dir)
}

fn generate(out: &Path, seed: &str) -> Result<()> {
    let arguments = [
        "--users",
        "1",
        "--days",
        "20",
        "--tracks",
        "300",
        "--seed",
        seed,
        "--out",
        text(out),
    ];
    moodlake(&[&["generate"], &arguments[..]].concat())?.ok()?;
    Ok(())
}

/// Every file below `dir` with its bytes, by relative path.
fn files(dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push((text(path.strip_prefix(dir)?).to_string(), fs::read(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn every_command_has_help_with_examples() -> Result<()> {
    let all = moodlake(&["--help"])?.ok()?;
    for name in COMMANDS {
        assert!(all.stdout.contains(name), "{}", all.stdout);
        let help = moodlake(&[name, "--help"])?.ok()?;
        assert!(
            help.stdout.contains("Examples:\n  moodlake "),
            "{}",
            help.stdout
        );
    }
    Ok(())
}

#[test]
fn a_wrong_call_exits_with_2_and_a_failure_with_1() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path().join("lake");
    for wrong in [
        &["frobnicate"][..],
        &["generate"],
        &["import", "x", "--timezone", "Berlin"],
        &["import", "x", "--user", " "],
        &["import", "x", "--server", "foo"],
        &["serve", "--listen", "foo"],
        &["serve", "--listen", "0.0.0.0:0"],
        &["demo", "--user", "ada"],
        &["build", "--keep-models"],
        &["build", "--plan", "--checks-only"],
        &[
            "sql",
            "select 1",
            "--dir",
            "a",
            "--server",
            "grpc://127.0.0.1:1",
        ],
        &["sql", "  "],
    ] {
        let run = moodlake(wrong)?;
        assert_eq!(run.code, 2, "{wrong:?}: {}{}", run.stdout, run.stderr);
        assert!(
            run.stdout.is_empty() && run.stderr.contains("error:"),
            "{}",
            run.stderr
        );
    }
    for command in [&["sql", "select 1"][..], &["build"]] {
        let run = moodlake(&[command, &["--dir", text(&lake)]].concat())?;
        assert!(
            run.code == 1 && run.stderr.contains("there is no lake here"),
            "{}",
            run.stderr
        );
        assert!(!lake.exists());
    }
    fs::create_dir(&lake)?;
    let run = moodlake(&["sql", "select nothing from nowhere", "--dir", text(&lake)])?;
    assert_eq!(run.code, 1);
    assert!(
        run.stderr.starts_with("error: ") && run.stderr.contains("nowhere"),
        "{}",
        run.stderr
    );
    Ok(())
}

#[test]
fn generating_twice_gives_the_same_bytes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [first, second, other] = ["a", "b", "c"].map(|name| dir.path().join(name));
    generate(&first, "7")?;
    generate(&second, "7")?;
    generate(&other, "8")?;
    let made = files(&first)?;
    assert!(
        made.len() >= 3,
        "a catalogue, a history and what is planted"
    );
    assert!(made == files(&second)?, "the same seed gave other files");
    assert!(made != files(&other)?, "another seed gave the same files");
    Ok(())
}

#[test]
fn importing_the_same_files_twice_adds_nothing() -> Result<()> {
    let dir = generated()?;
    let (data, lake) = (dir.path().join("data"), dir.path().join("lake"));
    let (catalogue, history) = (data.join("catalogue.csv.gz"), data.join("history"));
    let import = || {
        moodlake(&[
            "import",
            text(&catalogue),
            text(&history),
            "--dir",
            text(&lake),
        ])
    };
    let versions = || {
        let sql = "select schema_name, table_name, version from system.tables \
                   where schema_name <> 'system' order by schema_name, table_name";
        rows(&lake, sql)
    };
    let first = import()?.ok()?;
    assert!(first.stdout.contains("loaded"), "{}", first.stdout);
    let plays = "select count(*) from bronze.plays_extended";
    let (before, count) = (versions()?, rows(&lake, plays)?);
    let second = import()?.ok()?;
    assert!(
        second.stdout.contains("already loaded"),
        "{}",
        second.stdout
    );
    assert_eq!(before, versions()?);
    assert_eq!(count, rows(&lake, plays)?);
    Ok(())
}

#[test]
fn a_file_that_is_cut_off_is_loaded_as_far_as_it_goes_and_fails() -> Result<()> {
    let dir = generated()?;
    let lake = dir.path().join("lake");
    let whole = fs::read(dir.path().join("data/catalogue.csv.gz"))?;
    let cut = dir.path().join("cut.csv.gz");
    fs::write(&cut, &whole[..whole.len() / 2])?;
    let run = moodlake(&["import", text(&cut), "--dir", text(&lake)])?;
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let expected = "cut.csv.gz: malformed: the file is cut off: download it again";
    assert!(run.stdout.contains(expected), "{}", run.stdout);
    let tracks = rows(&lake, "select count(*) > 50 from bronze.catalogue_tracks")?;
    assert_eq!(tracks, [["true"]]);
    Ok(())
}

#[test]
fn real_and_generated_plays_are_not_mixed_by_a_demo() -> Result<()> {
    let dir = generated()?;
    let (data, lake) = (dir.path().join("data"), dir.path().join("lake"));
    let (catalogue, history) = (data.join("catalogue.csv.gz"), data.join("history"));
    let demo = |more: &[&str]| -> Result<String> {
        let run = moodlake(&[&["demo", "--dir", text(&lake)], more].concat())?;
        assert_eq!(run.code, 1, "{more:?}: {}{}", run.stdout, run.stderr);
        Ok(run.stderr)
    };
    moodlake(&["import", text(&history), "--dir", text(&lake)])?.ok()?;
    let plays = "select count(*), count(distinct user_id) from bronze.plays_extended";
    let before = rows(&lake, plays)?;
    let refused = demo(&[])?;
    assert!(
        refused.contains("this lake has real plays") && refused.contains("--dir"),
        "{refused}"
    );
    // As if the demo had brought them.
    fs::create_dir(lake.join(".generated"))?;
    fs::write(lake.join(".generated/made_from"), "invented tracks")?;
    let refused = demo(&["--history", text(&history)])?;
    assert!(
        refused.contains("this lake has generated plays"),
        "{refused}"
    );
    let refused = demo(&["--catalog", text(&catalogue)])?;
    assert!(refused.contains("another catalogue"), "{refused}");
    assert_eq!(rows(&lake, plays)?, before);
    Ok(())
}

#[test]
fn a_path_that_is_not_there_is_named() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let lake = dir.path().join("lake");
    let missing = dir.path().join("missing.zip");
    for arguments in [
        &["import", text(&missing), "--dir", text(&lake)][..],
        &["sql", "--file", text(&missing), "--dir", text(&lake)],
        &["build", text(&missing), "--dir", text(&lake)],
        &["demo", "--catalog", text(&missing), "--dir", text(&lake)],
    ] {
        let run = moodlake(arguments)?;
        assert_eq!(run.code, 1, "{arguments:?}: {}", run.stderr);
        assert!(
            run.stderr.contains("missing.zip") && !run.stderr.contains("os error"),
            "{arguments:?}: {}",
            run.stderr
        );
    }
    Ok(())
}

#[test]
fn serve_refuses_what_is_not_this_machine() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let run = moodlake(&["serve", "--listen", "0.0.0.0:0", "--dir", text(dir.path())])?;
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("0.0.0.0") && run.stderr.contains("127.0.0.1"),
        "{}",
        run.stderr
    );
    Ok(())
}

/// A server on the lake in `dir`, and its address.
fn serve(dir: &Path) -> Result<(Child, String)> {
    let mut server = command(&["serve", "--listen", "127.0.0.1:0", "--dir", text(dir)])
        .stderr(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(server.stderr.take().context("no standard error")?).read_line(&mut line)?;
    let url = line.trim().strip_prefix("listening on ");
    let url = url.context(line.clone())?.to_string();
    Ok((server, url))
}

/// Sends SIGTERM.
#[cfg(unix)]
fn stop(server: &Child) -> Result<()> {
    finish(std::process::Command::new("kill").arg(server.id().to_string()))?.ok()?;
    Ok(())
}

#[cfg(unix)]
#[tokio::test]
async fn serve_ends_at_the_second_signal_whoever_still_reads() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut server, url) = serve(dir.path())?;
    let client = Client::connect(&url).await?;
    let endless = "select value from generate_series(1, 1000000000000)";
    let mut rows = client.stream(endless).await?;
    assert!(rows.next().await.transpose()?.is_some());
    stop(&server)?;
    // A signal that comes before the first was taken counts as one with it.
    for _ in 0..1000 {
        if let Some(ended) = server.try_wait()? {
            assert_eq!(ended.code(), Some(0));
            let error = client.execute("select 1").await.unwrap_err().to_string();
            assert!(error.contains(&url), "{error}");
            return Ok(());
        }
        stop(&server)?;
    }
    server.kill()?;
    bail!("the server did not end")
}

#[cfg(unix)]
#[test]
fn serve_answers_clients_and_ends_on_a_signal() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (mut server, url) = serve(dir.path())?;
    let over = |sql: &str| moodlake(&["sql", sql, "--server", &url, "--format", "csv"]);
    over("create table gold.numbers as select 1 as x")?.ok()?;
    assert_eq!(over("select x from gold.numbers")?.ok()?.stdout, "x\n1\n");
    stop(&server)?;
    assert_eq!(server.wait()?.code(), Some(0), "SIGTERM is a normal end");
    Ok(())
}
