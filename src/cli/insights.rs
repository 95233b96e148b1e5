//! `gold.insights` of one listener as text that is read, not parsed.

use std::fmt::Write;

use arrow::array::RecordBatch;

use crate::client::{Client, floats, integers, texts};
use crate::error::Result;
use crate::wording::{counted, grouped};

use super::terminal::{fold, text_width};

const INDENT: &str = "  ";
/// Of a kind with more insights the first few are printed.
const PER_KIND: usize = 3;

const PRESCRIPTIVE: &str = "prescriptive";

/// The kinds in the order of their questions.
const KINDS: [(&str, &str); 5] = [
    ("descriptive", "what you play"),
    ("diagnostic", "what goes with what"),
    ("predictive", "what a track or session is like"),
    (PRESCRIPTIVE, "what to play next"),
    ("cognitive", "why, in words"),
];

/// One row of `gold.insights`.
#[derive(Debug, Clone, Default)]
struct Insight {
    kind: String,
    text: String,
    n: Option<u64>,
    p_value: Option<f64>,
    interval: Option<(f64, f64)>,
}

/// A listener and how much of their listening is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listener {
    pub(super) user_id: String,
    plays: u64,
    share: f64,
}

/// The listeners of the lake, who played most first.
pub(super) async fn listeners(client: &Client) -> Result<Vec<Listener>> {
    let sql = "select user_id, plays, share from gold.coverage order by plays desc, user_id";
    let (_, batches) = client.query(sql).await?;
    let (users, plays) = (texts(&batches, 0)?, integers(&batches, 1)?);
    let shares = floats(&batches, 2)?;
    let listeners = users.into_iter().zip(plays).zip(shares);
    let listener = |((user, plays), share): ((Option<String>, _), Option<f64>)| Listener {
        user_id: user.unwrap_or_default(),
        plays: count(plays).unwrap_or(0),
        share: share.unwrap_or(0.0),
    };
    Ok(listeners.map(listener).collect())
}

fn count(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok())
}

/// The insights about `listener`, kind by kind.
pub(super) async fn describe(client: &Client, listener: &Listener) -> Result<String> {
    let sql = format!(
        "select kind, text, n, p_value, ci_low, ci_high from gold.insights \
         where user_id = '{}' order by kind, insight_id",
        listener.user_id.replace('\'', "''")
    );
    let (_, batches) = client.query(&sql).await?;
    Ok(render(listener, &insights(&batches)?, text_width()))
}

fn insights(batches: &[RecordBatch]) -> Result<Vec<Insight>> {
    let (kinds, wording) = (texts(batches, 0)?, texts(batches, 1)?);
    let (n, p_values) = (integers(batches, 2)?, floats(batches, 3)?);
    let (low, high) = (floats(batches, 4)?, floats(batches, 5)?);
    let insight = |(row, (kind, text)): (usize, (Option<String>, Option<String>))| Insight {
        kind: kind.unwrap_or_default(),
        text: text.unwrap_or_default(),
        n: count(n[row]),
        p_value: p_values[row],
        interval: low[row].zip(high[row]),
    };
    let sentences = kinds.into_iter().zip(wording);
    Ok(sentences.enumerate().map(insight).collect())
}

fn render(listener: &Listener, insights: &[Insight], width: usize) -> String {
    let mut out = format!(
        "Five kinds of insight for {}: {}, audio features known for {:.0}% of them\n",
        listener.user_id,
        counted(listener.plays, "play"),
        listener.share * 100.0
    );
    for (kind, question) in KINDS {
        let of_kind: Vec<_> = insights
            .iter()
            .filter(|insight| insight.kind == kind)
            .collect();
        let _ = writeln!(out, "\n{} ({question})", kind.to_uppercase());
        for insight in of_kind.iter().take(PER_KIND) {
            for line in fold(&insight.text, width - INDENT.len()) {
                let _ = writeln!(out, "{INDENT}{line}");
            }
            if let Some(figures) = figures(insight) {
                let _ = writeln!(out, "{INDENT}{INDENT}[{figures}]");
            }
        }
        if of_kind.is_empty() {
            let _ = writeln!(out, "{INDENT}none: too few plays with known features");
        }
        if of_kind.len() > PER_KIND {
            let _ = writeln!(
                out,
                "{INDENT}... {} more in gold.insights",
                of_kind.len() - PER_KIND
            );
        }
    }
    out
}

/// The evidence behind a sentence, which names its value itself: interval, rows, p-value.
fn figures(insight: &Insight) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(
        insight
            .interval
            .map(|(low, high)| format!("95% interval {low:.2} to {high:.2}")),
    );
    // A recommendation is one track: there is nothing to count.
    let counts = insight.n.filter(|_| insight.kind != PRESCRIPTIVE);
    parts.extend(counts.map(|n| format!("n = {}", grouped(n))));
    parts.extend(insight.p_value.map(|p| {
        if p < 0.001 {
            "p < 0.001".to_string()
        } else {
            format!("p = {p:.3}")
        }
    }));
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insight_reads_as_text_with_its_figures() {
        let listener = Listener {
            user_id: "ada".into(),
            plays: 10_012,
            share: 0.974,
        };
        let insight = Insight {
            kind: "diagnostic".into(),
            text: "Mornings are livelier.".into(),
            n: Some(4321),
            p_value: Some(1e-9),
            interval: Some((2.05, 2.61)),
        };
        let advice = Insight {
            kind: "prescriptive".into(),
            text: "word ".repeat(40),
            n: Some(1),
            ..Insight::default()
        };
        let text = render(&listener, &[insight, advice], 60);
        assert!(text.starts_with(
            "Five kinds of insight for ada: 10,012 plays, audio features known for 97%"
        ));
        assert!(text.contains(
            "  Mornings are livelier.\n    [95% interval 2.05 to 2.61, n = 4,321, p < 0.001]\n"
        ));
        assert!(text.contains("COGNITIVE (why, in words)\n  none"));
        assert!(!text.contains("n = 1"), "{text}");
        let advice: Vec<_> = text
            .lines()
            .filter(|line| line.contains("word word"))
            .collect();
        assert!(
            advice.len() > 3 && advice.iter().all(|line| line.len() <= 60),
            "{text}"
        );
    }
}
