//! A report as `JUnit` XML: one test case for each script and each check.

use std::time::Duration;

use super::super::checks::to_json;
use super::{BuildReport, NodeReport, Outcome, offending};

/// The report, ending in a newline.
pub(super) fn render(report: &BuildReport) -> String {
    let cases: Vec<String> = report.nodes.iter().flat_map(test_cases).collect();
    let failures = cases
        .iter()
        .filter(|case| case.contains("<failure"))
        .count();
    let skipped = cases
        .iter()
        .filter(|case| case.contains("<skipped"))
        .count();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"moodlake build\" tests=\"{}\" failures=\"{failures}\" \
         skipped=\"{skipped}\" time=\"{:.3}\">\n{}</testsuite>\n",
        cases.len(),
        report.elapsed.as_secs_f64(),
        cases.concat()
    )
}

fn test_cases(node: &NodeReport) -> Vec<String> {
    let body = match &node.outcome {
        Outcome::Failed { message } => Some(("failure", message.clone())),
        Outcome::TooFewRows { message } => Some(("skipped", message.clone())),
        Outcome::Blocked { by } => Some(("skipped", format!("depends on {by}"))),
        Outcome::Rested(rest) => Some(("skipped", rest.to_string())),
        Outcome::Planned { why, .. } => Some(("skipped", why.clone())),
        Outcome::Ran { .. } => None,
    };
    let mut cases = vec![test_case("script", &node.name, node.elapsed, body.as_ref())];
    for check in &node.checks {
        let tag = if check.fails_build() {
            "failure"
        } else {
            "system-out"
        };
        let body = (!check.passed()).then(|| {
            let detail = check.sample.as_ref().and_then(to_json).unwrap_or_default();
            let message = check.error.clone();
            let rows = || format!("{} {detail}", offending(check));
            (tag, message.unwrap_or_else(rows))
        });
        cases.push(test_case(
            "check",
            &check.name,
            Duration::ZERO,
            body.as_ref(),
        ));
    }
    cases
}

fn test_case(kind: &str, name: &str, took: Duration, body: Option<&(&str, String)>) -> String {
    let head = format!(
        "  <testcase classname=\"{kind}\" name=\"{}\" time=\"{:.3}\"",
        escape(name),
        took.as_secs_f64()
    );
    match body {
        None => format!("{head}/>\n"),
        Some((tag @ "system-out", text)) => {
            format!("{head}><{tag}>{}</{tag}></testcase>\n", escape(text))
        }
        Some((tag, message)) => {
            format!(
                "{head}><{tag} message=\"{}\"/></testcase>\n",
                escape(message)
            )
        }
    }
}

/// Text as XML carries it; characters that XML forbids are left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            other if other.is_control() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, warned};
    use super::*;

    #[test]
    fn a_warning_is_output_and_no_failure() {
        let xml = render(&warned());
        assert!(
            xml.contains("<system-out>2 offending rows: Titles that lack </system-out>")
                && xml.contains("failures=\"0\""),
            "{xml}"
        );
    }

    #[test]
    fn messages_are_escaped_and_outcomes_counted() {
        let xml = render(&broken());
        assert!(
            xml.contains("tests=\"4\" failures=\"1\" skipped=\"2\""),
            "{xml}"
        );
        assert!(
            xml.contains("message=\"no &lt;such&gt; &quot;column&quot;\""),
            "{xml}"
        );
    }
}
