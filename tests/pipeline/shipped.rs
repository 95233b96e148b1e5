//! The shipped scripts: what they find in data whose effects are known, and that a kill in the middle changes nothing.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::program::{Run, command, moodlake, rows};
use super::{text, versions};

/// A year of one listener, imported but not built.
static IMPORTED: LazyLock<TempDir> =
    LazyLock::new(|| imported(365, 4000).expect("generated data imports"));

/// The same, built without interruption.
pub(super) static BUILT: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = copy(IMPORTED.path()).expect("a lake can be copied");
    build(dir.path())
        .and_then(Run::ok)
        .expect("the shipped scripts build");
    dir
});

fn imported(days: u32, tracks: u32) -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    let (data, lake) = (dir.path().join("data"), dir.path().join("lake"));
    let (days, tracks) = (days.to_string(), tracks.to_string());
    let numbers = ["--users", "1", "--days", &days, "--tracks", &tracks];
    moodlake(&[&["generate", "--out", text(&data)], &numbers[..]].concat())?.ok()?;
    let (catalogue, history) = (data.join("catalogue.csv.gz"), data.join("history"));
    moodlake(&["import", text(&catalogue), "--dir", text(&lake)])?.ok()?;
    let listeners = ["import", text(&history), "--user-from", "folder"];
    moodlake(&[&listeners[..], &["--dir", text(&lake)]].concat())?.ok()?;
    Ok(dir)
}

fn build(dir: &Path) -> Result<Run> {
    moodlake(&["build", "--dir", text(&dir.join("lake"))])
}

fn copy(from: &Path) -> Result<TempDir> {
    let to = tempfile::tempdir()?;
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        fs::create_dir_all(to.path().join(&folder))?;
        for entry in fs::read_dir(from.join(&folder))? {
            let entry = entry?;
            let name = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push(name);
            } else {
                fs::copy(entry.path(), to.path().join(name))?;
            }
        }
    }
    Ok(to)
}

/// The rows of every gold table, in an order that does not depend on their fractions.
fn gold(dir: &Path) -> Result<Vec<(String, Vec<Vec<String>>)>> {
    let lake = dir.join("lake");
    let names = "select table_name from system.tables where schema_name = 'gold' order by 1";
    let mut tables = Vec::new();
    for name in rows(&lake, names)?.concat() {
        let mut found = rows(&lake, &format!("select * from gold.{name}"))?;
        found.sort_by_key(|row| {
            let whole = row.iter().filter(|field| fraction(field).is_none());
            whole.cloned().collect::<Vec<_>>()
        });
        tables.push((name, found));
    }
    ensure!(
        tables.len() > 10,
        "the shipped scripts make more than {} gold tables",
        tables.len()
    );
    Ok(tables)
}

fn fraction(field: &str) -> Option<f64> {
    field.parse().ok().filter(|_| field.contains(['.', 'e']))
}

/// The order in which a sum is taken shows in its last digits, and nowhere else.
const TOLERANCE: f64 = 1e-9;

fn are_equal(left: &str, right: &str) -> bool {
    match (fraction(left), fraction(right)) {
        (Some(left), Some(right)) => (left - right).abs() <= TOLERANCE * left.abs().max(1.0),
        _ => left == right,
    }
}

fn assert_same_gold(dir: &Path, expected: &[(String, Vec<Vec<String>>)]) -> Result<()> {
    let found = gold(dir)?;
    assert_eq!(found.len(), expected.len());
    for ((table, rows), (_, whole)) in found.iter().zip(expected) {
        assert_eq!(rows.len(), whole.len(), "rows of gold.{table}");
        for (row, other) in rows.iter().zip(whole) {
            let same = row
                .iter()
                .zip(other)
                .all(|(left, right)| are_equal(left, right));
            assert!(same, "gold.{table}: {row:?} instead of {other:?}");
        }
    }
    Ok(())
}

#[test]
fn a_build_after_a_kill_ends_in_the_same_gold() -> Result<()> {
    let undisturbed = gold(BUILT.path())?;
    // Each finished step is one line on standard error; the next are under way when it comes.
    for steps in [1, 12, 30] {
        let dir = copy(IMPORTED.path())?;
        let lake = dir.path().join("lake");
        let mut child = command(&["build", "--dir", text(&lake), "--format", "json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let progress = BufReader::new(child.stderr.take().context("no standard error")?);
        assert_eq!(progress.lines().take(steps).count(), steps);
        child.kill()?;
        child.wait()?;
        build(dir.path())?.ok()?;
        assert_same_gold(dir.path(), &undisturbed)
            .with_context(|| format!("after a kill at step {steps}"))?;
    }
    Ok(())
}

#[test]
fn a_second_build_of_the_shipped_scripts_changes_no_table() -> Result<()> {
    let dir = copy(BUILT.path())?;
    let before = versions(&dir.path().join("lake"))?;
    let run = build(dir.path())?.ok()?;
    assert!(run.stdout.starts_with("0 run"), "{}", run.stdout);
    assert_eq!(before, versions(&dir.path().join("lake"))?);
    Ok(())
}

/// The one row of an answer, as numbers.
fn numbers(sql: &str) -> Result<Vec<f64>> {
    let found = rows(&BUILT.path().join("lake"), sql)?;
    ensure!(found.len() == 1, "{} rows from {sql}", found.len());
    found[0]
        .iter()
        .map(|field| field.parse().context(field.clone()))
        .collect()
}

fn assert_recovered(planted: f64, found: &[f64]) {
    let [value, low, high] = found[..] else {
        panic!("not a value with its interval: {found:?}")
    };
    assert!(
        low <= planted && planted <= high,
        "{planted} is not within {low} to {high}"
    );
    assert!(
        (value / planted - 1.0).abs() < 0.35,
        "{value} is far from {planted}"
    );
}

#[test]
fn the_planted_effects_are_found_within_their_intervals() -> Result<()> {
    assert_recovered(
        2.3,
        &numbers(
            "select odds_ratio, ci_low, ci_high from gold.daypart_lift \
             where feature = 'energy' and daypart = 'morning' and versus = 'evening'",
        )?,
    );
    assert_recovered(
        0.6,
        &numbers(
            "select rate_ratio, ci_low, ci_high from gold.play_rate_by_feature \
             where feature = 'valence'",
        )?,
    );
    // The ratio of two shares: standard errors add up on the scale of logarithms.
    assert_recovered(
        0.7,
        &numbers(
            "with ratios as (\
                 select beyond.completion / rest.completion as ratio, \
                     1.959964 * sqrt(power(beyond.standard_error / beyond.completion, 2) \
                         + power(rest.standard_error / rest.completion, 2)) as reach \
                 from gold.completion_by_feature as beyond \
                 inner join gold.completion_by_feature as rest on beyond.feature = rest.feature \
                 where beyond.feature = 'instrumentalness' \
                     and beyond.bucket = '> 0.7' and rest.bucket = 'rest') \
             select ratio, ratio * exp(-reach), ratio * exp(reach) from ratios",
        )?,
    );
    Ok(())
}

#[test]
fn a_thousand_plays_give_every_kind_of_insight() -> Result<()> {
    let dir = imported(40, 2000)?;
    build(dir.path())?.ok()?;
    let lake = dir.path().join("lake");
    let plays: u32 = rows(&lake, "select count(*) from silver.plays")?[0][0].parse()?;
    assert!(
        (900..2500).contains(&plays),
        "{plays} plays are not about a thousand"
    );
    let kinds = "select distinct kind from gold.insights order by kind";
    assert_eq!(
        rows(&lake, kinds)?.concat(),
        [
            "cognitive",
            "descriptive",
            "diagnostic",
            "predictive",
            "prescriptive"
        ]
    );
    Ok(())
}

#[test]
fn the_planted_modes_and_moods_are_told_apart() -> Result<()> {
    let planted = fs::read_to_string(BUILT.path().join("data/planted.json"))?;
    let planted: serde_json::Value = serde_json::from_str(&planted)?;
    // Each session as [start in seconds, mode, plays].
    let sessions = planted["users"][0]["sessions"].as_array();
    let planted_at: HashMap<i64, &str> = sessions
        .context("no sessions in planted.json")?
        .iter()
        .filter_map(|session| Some((session[0].as_i64()?, session[1].as_str()?)))
        .collect();
    let found = rows(
        &BUILT.path().join("lake"),
        "select cast(round(date_part('epoch', sessions.started_at)) as bigint), listening_modes.mode \
         from gold.listening_modes \
         inner join silver.sessions on listening_modes.session_id = sessions.session_id",
    )?;
    let mut counts: HashMap<&str, HashMap<&str, usize>> = HashMap::new();
    for row in &found {
        let second: i64 = row[0].parse()?;
        // The start is known from the end and the length of a play, to the second.
        let near = (second - 1..=second + 1).find_map(|second| planted_at.get(&second));
        if let Some(mode) = near {
            *counts.entry(&row[1]).or_default().entry(mode).or_default() += 1;
        }
    }
    let modes: HashSet<&str> = counts.values().filter_map(most_frequent).collect();
    assert_eq!(modes.len(), 5, "{counts:?}");
    let agreeing: usize = counts
        .values()
        .filter_map(|planted| planted.values().max())
        .sum();
    assert!(
        agreeing * 10 > found.len() * 8,
        "{agreeing} of {} sessions are in the mode that was planted: {counts:?}",
        found.len()
    );
    let auc = numbers(
        "select value from ml.metrics where model = 'mood' and split = 'test' and metric = 'auc'",
    )?;
    assert!(auc[0] > 0.9, "AUC {} on artists not met", auc[0]);
    Ok(())
}

fn most_frequent<'a>(counts: &HashMap<&'a str, usize>) -> Option<&'a str> {
    let most = counts.iter().max_by_key(|(_, count)| **count);
    most.map(|(mode, _)| *mode)
}

#[test]
fn every_sentence_is_traced_to_rows_by_its_evidence() -> Result<()> {
    let lake = BUILT.path().join("lake");
    let told = "select insight_id, kind, coalesce(cast(value as varchar), ''), evidence_sql from gold.insights order by 1";
    let mut kinds = HashSet::new();
    for insight in rows(&lake, told)? {
        let [id, kind, value, evidence] = &insight[..] else {
            panic!("not four columns: {insight:?}")
        };
        let found = rows(&lake, evidence).with_context(|| format!("{id}: {evidence}"))?;
        assert!(!found.is_empty(), "{id}: no rows from {evidence}");
        kinds.insert(kind.clone());
        // The figure of a sentence of the last three kinds is a field of its evidence.
        let is_expected = ["predictive", "prescriptive", "cognitive"].contains(&kind.as_str());
        let is_there = found.iter().flatten().any(|field| are_equal(field, value));
        assert!(
            value.is_empty() || !is_expected || is_there,
            "{id}: {value} is not in {found:?}, from {evidence}"
        );
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    Ok(())
}

#[test]
fn what_is_replayed_is_told_on_later_plays_and_from_earlier_ones() -> Result<()> {
    let scores = "select metric, value from ml.metrics \
                  where model = 'replay' and split = 'test' and metric in ('auc', 'accuracy', 'majority_accuracy')";
    let found: HashMap<String, f64> = rows(&BUILT.path().join("lake"), scores)?
        .into_iter()
        .map(|row| Ok((row[0].clone(), row[1].parse()?)))
        .collect::<Result<_>>()?;
    assert!(found["auc"] > 0.7, "{found:?}");
    assert!(found["accuracy"] > found["majority_accuracy"], "{found:?}");
    let open = "select count(*), min(probability), max(probability) from gold.replay_predictions";
    let [predictions, least, most] = numbers(open)?[..] else {
        panic!("not three numbers")
    };
    assert!(predictions > 50.0 && least > 0.0 && most < 1.0 && most > least);
    Ok(())
}

/// Whether a play is finished depends in generated histories on one thing alone, which `planted.json` tells.
#[test]
fn who_finishes_a_track_is_told_as_well_as_it_can_be() -> Result<()> {
    let dir = copy(BUILT.path())?;
    let lake = dir.path().join("lake");
    let features = "danceability, energy, loudness, speechiness, acousticness, instrumentalness, liveness, valence, tempo";
    let known = "from silver.plays where has_features and played_at";
    let cut = "timestamp '2025-09-01T00:00:00Z'";
    rows(
        &lake,
        &format!(
            "create model finish options (type = 'logistic', label = 'is_completed', split = 'none') as \
             select {features}, is_completed {known} < {cut}"
        ),
    )?;
    let judged = format!(
        "select auc(is_completed, ml_predict_proba('finish', {features})), \
             auc(is_completed, case when instrumentalness > 0.7 then 0.7 else 1.0 end), count(*) \
         {known} >= {cut}"
    );
    let found: Vec<f64> = rows(&lake, &judged)?
        .concat()
        .iter()
        .map(|field| field.parse().context(field.clone()))
        .collect::<Result<_>>()?;
    let [model, best, plays] = found[..] else {
        panic!("not three numbers: {found:?}")
    };
    assert!(plays > 2000.0 && best > 0.5, "{found:?}");
    assert!((model - best).abs() < 0.02, "{model} instead of {best}");
    Ok(())
}
