//! What a build did, as text, JSON or `JUnit` XML.

use std::fmt::Write;
use std::time::Duration;

use arrow::util::pretty::pretty_format_batches;

use crate::lake::TableName;
use crate::wording::counted;

use super::checks::CheckResult;
use super::plan::{Reason, Rest};

mod json;
mod junit;

/// The format of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one object.
    Json,
    /// For CI: one test case for each script and check.
    Junit,
}

/// What became of a node.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// Its script ran.
    Ran {
        /// Why.
        reason: Reason,
        /// How many rows were written, where that is known.
        rows: Option<u64>,
    },
    /// It was left as it was.
    Rested(Rest),
    /// Its script failed.
    Failed {
        /// What the engine said.
        message: String,
    },
    /// A model without enough rows to be trained on: no failure, but nothing to build on either.
    TooFewRows {
        /// What the engine said.
        message: String,
    },
    /// Something that it depends on failed, or is not there yet.
    Blocked {
        /// The table that failed, or was itself not run.
        by: String,
    },
    /// Only planned.
    Planned {
        /// Whether it would run; `None` where that shows only while the build runs.
        runs: Option<bool>,
        /// Why, or why not.
        why: String,
    },
}

/// A node and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct NodeReport {
    /// The table or model.
    pub(crate) name: String,
    /// Its script.
    pub(crate) file: String,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// How long it took, checks included.
    pub(crate) elapsed: Duration,
    /// Its checks, as far as they ran.
    pub(crate) checks: Vec<CheckResult>,
}

impl NodeReport {
    /// A report without checks.
    pub(crate) fn new(name: &TableName, file: &str, outcome: Outcome) -> Self {
        Self {
            name: name.to_string(),
            file: file.to_string(),
            outcome,
            elapsed: Duration::ZERO,
            checks: Vec::new(),
        }
    }

    /// Whether what depends on the node must not run.
    pub(crate) fn stops_dependents(&self) -> bool {
        let is_missing = matches!(
            self.outcome,
            Outcome::TooFewRows { .. } | Outcome::Blocked { .. }
        );
        is_missing || self.failed()
    }

    /// Whether its script or one of its checks failed.
    fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
            || self.checks.iter().any(CheckResult::fails_build)
    }
}

/// What a build did, node by node in run order.
#[derive(Debug)]
pub struct BuildReport {
    pub(crate) nodes: Vec<NodeReport>,
    pub(crate) elapsed: Duration,
}

impl BuildReport {
    /// Whether every script and every check succeeded; warnings do not count.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        !self.nodes.iter().any(NodeReport::failed)
    }

    /// Whether there is nothing that did not run for want of something.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.nodes.iter().any(NodeReport::stops_dependents)
    }

    /// The lines of what failed or could not run; empty if all is well.
    #[must_use]
    pub fn shortfalls(&self) -> String {
        self.lines(NodeReport::stops_dependents)
    }

    /// The report as a reader or program wants it, ending in a newline.
    #[must_use]
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Json => json::render(self),
            Format::Junit => junit::render(self),
        }
    }

    fn checks(&self) -> impl Iterator<Item = &CheckResult> {
        self.nodes.iter().flat_map(|node| &node.checks)
    }

    fn count(&self, test: impl Fn(&Outcome) -> bool) -> usize {
        self.nodes.iter().filter(|node| test(&node.outcome)).count()
    }

    fn text(&self) -> String {
        self.lines(|_| true) + &self.summary()
    }

    /// The lines of the nodes that `test` picks, with those of their checks that did not pass.
    fn lines(&self, test: impl Fn(&NodeReport) -> bool) -> String {
        let mut out = String::new();
        let width = self
            .nodes
            .iter()
            .map(|node| node.name.len())
            .max()
            .unwrap_or(0);
        for node in self.nodes.iter().filter(|node| test(node)) {
            if let Some((word, detail)) = line(node) {
                let _ = writeln!(out, "{word:<11} {:<width$}  {detail}", node.name);
            }
            for check in node.checks.iter().filter(|check| !check.passed()) {
                out.push_str(&failed_check(check));
            }
        }
        out
    }

    fn summary(&self) -> String {
        let planned = self.count(|outcome| matches!(outcome, Outcome::Planned { .. }));
        if planned > 0 {
            let runs = self.count(|o| {
                matches!(
                    o,
                    Outcome::Planned {
                        runs: Some(true),
                        ..
                    }
                )
            });
            let perhaps = self.count(|o| matches!(o, Outcome::Planned { runs: None, .. }));
            let rest = planned - runs - perhaps;
            return format!("{runs} would run, {perhaps} perhaps, {rest} would rest\n");
        }
        let ran = self.count(|outcome| matches!(outcome, Outcome::Ran { .. }));
        let failed = self.count(|outcome| matches!(outcome, Outcome::Failed { .. }));
        let blocked = self.count(|outcome| {
            matches!(
                outcome,
                Outcome::Blocked { .. } | Outcome::TooFewRows { .. }
            )
        });
        let rested = self.nodes.len() - ran - failed - blocked;
        let is_checked_only =
            |outcome: &Outcome| matches!(outcome, Outcome::Rested(Rest::ChecksOnly));
        let mut parts = Vec::new();
        if self.count(is_checked_only) == 0 {
            parts = vec![format!("{ran} run"), format!("{rested} up to date")];
        }
        let mut add = |count: usize, what: String| {
            if count > 0 {
                parts.push(what);
            }
        };
        add(failed, format!("{failed} failed"));
        add(blocked, format!("{blocked} not run"));
        let checks = |test: fn(&CheckResult) -> bool| self.checks().filter(|c| test(c)).count();
        let passed = checks(CheckResult::passed);
        let broken = checks(CheckResult::fails_build);
        let warned = checks(|check| !check.passed() && !check.fails_build());
        add(
            passed,
            format!("{} passed", counted(passed as u64, "check")),
        );
        add(
            broken,
            format!("{} failed", counted(broken as u64, "check")),
        );
        add(warned, counted(warned as u64, "warning"));
        if parts.is_empty() {
            parts.push("no checks".to_string());
        }
        format!("{} in {}\n", parts.join(", "), seconds(self.elapsed))
    }
}

/// The word and the detail of a node's line; what is simply up to date gets none.
fn line(node: &NodeReport) -> Option<(&'static str, String)> {
    let took = seconds(node.elapsed);
    Some(match &node.outcome {
        Outcome::Ran {
            reason,
            rows: Some(rows),
        } => (
            "ran",
            format!("{}, {took} ({reason})", counted(*rows, "row")),
        ),
        Outcome::Ran { reason, rows: None } => ("ran", format!("{took} ({reason})")),
        Outcome::Rested(_) => return None,
        Outcome::Failed { message } => ("FAILED", format!("{}: {message}", node.file)),
        Outcome::TooFewRows { message } => ("not run", message.clone()),
        Outcome::Blocked { by } => ("not run", format!("depends on {by}")),
        Outcome::Planned {
            runs: Some(true),
            why,
        } => ("run", why.clone()),
        Outcome::Planned { runs: None, why } => ("perhaps run", why.clone()),
        Outcome::Planned {
            runs: Some(false),
            why,
        } => ("rest", why.clone()),
    })
}

fn failed_check(check: &CheckResult) -> String {
    let word = if check.fails_build() {
        "CHECK"
    } else {
        "warning"
    };
    let what = check.error.clone().unwrap_or_else(|| offending(check));
    let mut out = format!("{word:<11} {}  {}: {what}\n", check.name, check.file);
    if let Some(sample) = &check.sample {
        let shown = pretty_format_batches(std::slice::from_ref(sample));
        let shown = shown.map_or_else(|error| error.to_string(), |table| table.to_string());
        for row in shown.lines() {
            let _ = writeln!(out, "    {row}");
        }
    }
    out
}

fn offending(check: &CheckResult) -> String {
    let rows = counted(check.offending_rows, "offending row");
    match &check.meaning {
        Some(meaning) => format!("{rows}: {meaning}"),
        None => rows,
    }
}

/// A duration as people read it: `0.12 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn report(outcomes: Vec<(&str, Outcome)>) -> BuildReport {
        let node = |(name, outcome): (&str, Outcome)| {
            NodeReport::new(&name.parse().unwrap(), &format!("sql/{name}.sql"), outcome)
        };
        BuildReport {
            nodes: outcomes.into_iter().map(node).collect(),
            elapsed: Duration::from_millis(1500),
        }
    }

    /// One node of each outcome.
    pub(crate) fn broken() -> BuildReport {
        report(vec![
            (
                "silver.a",
                Outcome::Ran {
                    reason: Reason::New,
                    rows: Some(7),
                },
            ),
            (
                "silver.b",
                Outcome::Failed {
                    message: "no <such> \"column\"".into(),
                },
            ),
            (
                "gold.c",
                Outcome::Blocked {
                    by: "silver.b".into(),
                },
            ),
            ("gold.d", Outcome::Rested(Rest::UpToDate)),
        ])
    }

    /// One node whose check warns.
    pub(crate) fn warned() -> BuildReport {
        let ran = Outcome::Ran {
            reason: Reason::New,
            rows: Some(7),
        };
        let mut warned = report(vec![("silver.a", ran)]);
        warned.nodes[0].checks = vec![CheckResult::warning("Titles that lack", 2)];
        warned
    }

    #[test]
    fn what_a_demo_tells_of_a_build_is_what_went_wrong() {
        assert_eq!(
            broken().shortfalls(),
            "FAILED      silver.b  sql/silver.b.sql: no <such> \"column\"\n\
             not run     gold.c    depends on silver.b\n"
        );
        assert!(!broken().is_complete() && warned().is_complete());
        assert_eq!(warned().shortfalls(), "");
        assert!(warned().render(Format::Text).contains(
            "warning     gold.a  sql/gold/a.check.sql: 2 offending rows: Titles that lack\n"
        ));
    }

    #[test]
    fn text_shows_what_happened_and_leaves_out_what_rested() {
        assert_eq!(
            broken().render(Format::Text),
            "ran         silver.a  7 rows, 0.00 s (new)\n\
             FAILED      silver.b  sql/silver.b.sql: no <such> \"column\"\n\
             not run     gold.c    depends on silver.b\n\
             1 run, 1 up to date, 1 failed, 1 not run in 1.50 s\n"
        );
        assert!(!broken().succeeded());
    }
}
