//! `build` from outside: order, errors, checks, staleness; and the shipped scripts.

#[path = "pipeline/examples.rs"]
mod examples;
mod program;
#[path = "pipeline/shipped.rs"]
mod shipped;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use program::{Run, moodlake, rows};
use tempfile::TempDir;

const NUMBERS: (&str, &str) = (
    "silver/numbers.sql",
    "create or replace table silver.numbers as select 1 as x",
);
const DOUBLES: (&str, &str) = (
    "gold/doubles.sql",
    "create or replace table gold.doubles as select 2 * x as x from silver.numbers",
);

/// A lake and a folder of scripts.
struct Project(TempDir);

impl Project {
    fn new(scripts: &[(&str, &str)]) -> Result<Self> {
        let project = Self(tempfile::tempdir()?);
        fs::create_dir(project.lake())?;
        for (name, sql) in scripts {
            project.write(name, sql)?;
        }
        Ok(project)
    }

    fn write(&self, name: &str, sql: &str) -> Result<()> {
        let path = self.0.path().join("sql").join(name);
        fs::create_dir_all(path.parent().context("a script lies in a layer")?)?;
        Ok(fs::write(path, sql)?)
    }

    fn lake(&self) -> PathBuf {
        self.0.path().join("lake")
    }

    fn build(&self, flags: &[&str]) -> Result<Run> {
        let scripts = self.0.path().join("sql");
        let lake = self.lake();
        let fixed = ["build", text(&scripts), "--dir", text(&lake)];
        moodlake(&[&fixed[..], flags].concat())
    }

    fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        rows(&self.lake(), sql)
    }

    /// Whether no script has made a table yet.
    fn is_empty(&self) -> Result<bool> {
        let made = "select table_name from system.tables where schema_name in ('bronze', 'silver', 'gold')";
        Ok(self.rows(made)?.is_empty())
    }

    fn versions(&self) -> Result<Vec<Vec<String>>> {
        versions(&self.lake())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}

/// The versions of all tables, those of `system` included.
fn versions(lake: &Path) -> Result<Vec<Vec<String>>> {
    rows(
        lake,
        "select schema_name, table_name, version, state from system.tables \
         order by schema_name, table_name",
    )
}

#[test]
fn scripts_run_in_the_order_of_their_reads() -> Result<()> {
    let first = (
        "gold/a_first_by_name.sql",
        "create or replace table gold.a_first_by_name as select x from gold.doubles",
    );
    let project = Project::new(&[first, NUMBERS, DOUBLES])?;
    let plan = project.build(&["--plan"])?.ok()?;
    assert!(plan.stdout.contains("3 would run"), "{}", plan.stdout);
    assert!(project.is_empty()?, "a plan makes nothing");

    let run = project.build(&[])?.ok()?;
    let place = |name: &str| run.stdout.find(name).context(name.to_string());
    assert!(
        place("silver.numbers")? < place("gold.doubles")?,
        "{}",
        run.stdout
    );
    assert!(
        place("gold.doubles")? < place("gold.a_first_by_name")?,
        "{}",
        run.stdout
    );
    assert_eq!(project.rows("select x from gold.a_first_by_name")?, [["2"]]);
    Ok(())
}

#[test]
fn a_second_build_writes_nothing_and_a_changed_script_reaches_its_readers() -> Result<()> {
    let check = (
        "gold/doubles.check.sql",
        "select x from gold.doubles where x % 2 <> 0",
    );
    let other = (
        "gold/other.sql",
        "create or replace table gold.other as select 1 as x",
    );
    let project = Project::new(&[NUMBERS, DOUBLES, check, other])?;
    project.build(&[])?.ok()?;
    let before = project.versions()?;
    let second = project.build(&[])?.ok()?;
    assert!(
        second.stdout.starts_with("0 run, 3 up to date"),
        "{}",
        second.stdout
    );
    assert_eq!(before, project.versions()?);

    project.write(
        "silver/numbers.sql",
        "create or replace table silver.numbers as select 21 as x",
    )?;
    let third = project.build(&[])?.ok()?;
    assert!(third.stdout.contains("script changed"), "{}", third.stdout);
    assert!(
        third.stdout.contains("upstream ran: silver.numbers"),
        "{}",
        third.stdout
    );
    assert!(
        third.stdout.contains("2 run, 1 up to date"),
        "{}",
        third.stdout
    );
    assert_eq!(project.rows("select x from gold.doubles")?, [["42"]]);

    let select = project.build(&["--select", "other"])?.ok()?;
    assert!(
        select.stdout.contains("1 run, 0 up to date"),
        "{}",
        select.stdout
    );
    let full = project.build(&["--full"])?.ok()?;
    assert!(
        full.stdout.contains("3 run, 0 up to date"),
        "{}",
        full.stdout
    );
    Ok(())
}

#[test]
fn a_change_of_the_data_reaches_its_readers() -> Result<()> {
    let raw = (
        "bronze/raw.sql",
        "create table if not exists bronze.raw (x bigint)",
    );
    let numbers = (
        "silver/numbers.sql",
        "create or replace table silver.numbers as select x from bronze.raw",
    );
    let project = Project::new(&[raw, numbers, DOUBLES])?;
    project.build(&[])?.ok()?;
    project.rows("insert into bronze.raw values (5)")?;
    let run = project.build(&[])?.ok()?;
    assert!(
        run.stdout.contains("input changed: bronze.raw"),
        "{}",
        run.stdout
    );
    assert_eq!(project.rows("select x from gold.doubles")?, [["10"]]);
    Ok(())
}

#[test]
fn a_view_is_made_once_and_passes_on_what_changes_behind_it() -> Result<()> {
    let raw = (
        "bronze/raw.sql",
        "create table if not exists bronze.raw (x bigint)",
    );
    let view = (
        "silver/numbers.sql",
        "-- Numbers.\ncreate or replace view silver.numbers as select x from bronze.raw",
    );
    let check = (
        "silver/numbers.check.sql",
        "select x from silver.numbers where x < 0",
    );
    let project = Project::new(&[raw, view, check, DOUBLES])?;
    project.build(&[])?.ok()?;
    let second = project.build(&[])?.ok()?;
    assert!(
        second.stdout.starts_with("0 run, 3 up"),
        "{}",
        second.stdout
    );

    project.rows("insert into bronze.raw values (5)")?;
    let plan = project.build(&["--plan"])?.ok()?;
    assert!(plan.stdout.contains("1 would run"), "{}", plan.stdout);
    let third = project.build(&[])?.ok()?;
    assert!(third.stdout.contains("1 run, 2 up"), "{}", third.stdout);
    assert_eq!(project.rows("select x from gold.doubles")?, [["10"]]);

    project.rows("insert into bronze.raw values (-1)")?;
    let broken = project.build(&[])?;
    assert!(
        broken.code == 1 && broken.stdout.contains("1 offending row"),
        "{}",
        broken.stdout
    );
    Ok(())
}

#[test]
fn scripts_that_cannot_be_ordered_are_refused_by_file() -> Result<()> {
    let circle = Project::new(&[
        (
            "gold/a.sql",
            "create or replace table gold.a as select x from gold.b",
        ),
        (
            "gold/b.sql",
            "create or replace table gold.b as select x from gold.a",
        ),
    ])?;
    let upwards = Project::new(&[
        DOUBLES,
        (
            "silver/numbers.sql",
            "create or replace table silver.numbers as select x from gold.doubles",
        ),
    ])?;
    let nowhere = Project::new(&[DOUBLES])?;
    let itself = Project::new(&[(
        "gold/a.sql",
        "create or replace table gold.a as select x from gold.a",
    )])?;
    let misplaced = Project::new(&[NUMBERS, ("glod/b.sql", "select 1")])?;
    let misnamed = Project::new(&[(
        "gold/a.sql",
        "create or replace table gold.b as select 1 as x",
    )])?;
    for (project, parts) in [
        (circle, vec!["gold/a.sql", "gold/b.sql", "circle"]),
        (
            upwards,
            vec![
                "silver/numbers.sql",
                "gold/doubles.sql",
                "silver scripts may read",
            ],
        ),
        (
            nowhere,
            vec!["gold/doubles.sql", "silver.numbers", "no script makes"],
        ),
        (misnamed, vec!["gold/a.sql", "gold.b"]),
        (itself, vec!["gold/a.sql", "circle"]),
        (misplaced, vec!["glod: no such layer"]),
    ] {
        let run = project.build(&[])?;
        assert_eq!(run.code, 1, "{}", run.stderr);
        for part in parts {
            assert!(
                run.stderr.contains(part),
                "{part} is not in: {}",
                run.stderr
            );
        }
        assert!(project.is_empty()?, "nothing ran");
    }
    Ok(())
}

#[test]
fn a_failing_check_stops_what_depends_on_it_until_it_passes() -> Result<()> {
    let check = (
        "silver/numbers.check.sql",
        "select x, 'wrong' as why from silver.numbers where x < 5",
    );
    let other = (
        "gold/other.sql",
        "create or replace table gold.other as select 1 as x",
    );
    let project = Project::new(&[NUMBERS, DOUBLES, check, other])?;
    // The second time the table is up to date, but its check has not passed yet.
    for _ in 0..2 {
        let run = project.build(&[])?;
        assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
        assert!(
            run.stdout.contains("1 offending row") && run.stdout.contains("wrong"),
            "{}",
            run.stdout
        );
        assert!(
            run.stdout.contains("not run     gold.doubles"),
            "{}",
            run.stdout
        );
        assert_eq!(project.rows("select x from gold.other")?, [["1"]]);
    }
    let tables = "select count(*) from system.tables where table_name = 'doubles'";
    assert_eq!(project.rows(tables)?, [["0"]]);
    let results =
        "select distinct check_name, severity, offending_rows, passed from system.check_results";
    assert_eq!(
        project.rows(results)?,
        [["silver.numbers", "error", "1", "false"]]
    );

    project.write(
        "silver/numbers.sql",
        "create or replace table silver.numbers as select 7 as x",
    )?;
    project.build(&[])?.ok()?;
    assert_eq!(project.rows("select x from gold.doubles")?, [["14"]]);
    Ok(())
}

#[test]
fn a_warning_is_reported_and_stops_nothing() -> Result<()> {
    let check = (
        "silver/numbers.check.sql",
        "-- severity: warn\nselect x from silver.numbers",
    );
    let project = Project::new(&[NUMBERS, DOUBLES, check])?;
    let run = project.build(&[])?.ok()?;
    assert!(
        run.stdout.contains("warning     silver.numbers"),
        "{}",
        run.stdout
    );
    assert_eq!(project.rows("select x from gold.doubles")?, [["2"]]);
    let checked = project.build(&["--checks-only"])?.ok()?;
    assert!(!checked.stdout.contains("up to date"), "{}", checked.stdout);
    let again = project
        .build(&["--checks-only", "--format", "json"])?
        .ok()?;
    let report: serde_json::Value = serde_json::from_str(&again.stdout)?;
    assert_eq!(report["nodes"][0]["checks"][0]["sample"][0]["x"], 1);
    Ok(())
}

#[test]
fn a_failing_script_is_named_and_the_rest_goes_on() -> Result<()> {
    let broken = (
        "silver/broken.sql",
        "create or replace table silver.broken as select nothing as x",
    );
    let after = (
        "gold/after.sql",
        "create or replace table gold.after as select x from silver.broken",
    );
    let project = Project::new(&[NUMBERS, DOUBLES, broken, after])?;
    let run = project.build(&["--format", "junit"])?;
    assert_eq!(run.code, 1);
    assert!(
        run.stdout
            .contains("tests=\"4\" failures=\"1\" skipped=\"1\""),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("silver/broken.sql") || run.stdout.contains("nothing"),
        "{}",
        run.stdout
    );
    assert_eq!(project.rows("select x from gold.doubles")?, [["2"]]);
    Ok(())
}
