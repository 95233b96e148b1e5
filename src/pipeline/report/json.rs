//! A report as one JSON object.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::checks::{CheckResult, to_json};
use super::{BuildReport, NodeReport, Outcome};

/// The report, ending in a newline.
pub(super) fn render(report: &BuildReport) -> String {
    let value = json!({
        "succeeded": report.succeeded(),
        "elapsed_ms": milliseconds(report.elapsed),
        "nodes": report.nodes.iter().map(node_json).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn node_json(node: &NodeReport) -> Value {
    let (outcome, why) = match &node.outcome {
        Outcome::Ran { reason, .. } => ("ran", reason.to_string()),
        Outcome::Rested(rest) => ("rested", rest.to_string()),
        Outcome::Failed { message } => ("failed", message.clone()),
        Outcome::TooFewRows { message } => ("not run", message.clone()),
        Outcome::Blocked { by } => ("not run", format!("depends on {by}")),
        Outcome::Planned { runs, why } => (
            match runs {
                Some(true) => "would run",
                Some(false) => "would rest",
                None => "would perhaps run",
            },
            why.clone(),
        ),
    };
    let rows = match &node.outcome {
        Outcome::Ran { rows, .. } => *rows,
        _ => None,
    };
    json!({
        "name": node.name,
        "file": node.file,
        "outcome": outcome,
        "why": why,
        "rows": rows,
        "elapsed_ms": milliseconds(node.elapsed),
        "checks": node.checks.iter().map(check_json).collect::<Vec<_>>(),
    })
}

fn check_json(check: &CheckResult) -> Value {
    let sample = check.sample.as_ref().and_then(to_json);
    let sample = sample.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    json!({
        "name": check.name,
        "file": check.file,
        "severity": check.severity.to_string(),
        "passed": check.passed(),
        "offending_rows": check.offending_rows,
        "error": check.error,
        "sample": sample,
    })
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::tests::broken;
    use super::*;

    #[test]
    fn a_report_is_one_object() {
        let value: Value = serde_json::from_str(&render(&broken())).unwrap();
        assert_eq!(value["succeeded"], false);
        assert_eq!(value["nodes"][0]["rows"], 7);
        assert_eq!(value["nodes"][2]["outcome"], "not run");
    }
}
