//! `gold.insights` of one listener as text that is read, not parsed.

use std::fmt::Write;

use arrow::array::{Array, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use crate::client::Client;
use crate::error::Result;

/// Text wraps here: comfortable to read, and narrower than most terminals.
const WIDTH: usize = 88;
const INDENT: &str = "  ";
/// Of a kind with more insights the first few are printed.
const PER_KIND: usize = 3;

/// The kinds in the order of their questions.
const KINDS: [(&str, &str); 5] = [
    ("descriptive", "what you play"),
    ("diagnostic", "what goes with what"),
    ("predictive", "what a track or session is like"),
    ("prescriptive", "what to play next"),
    ("cognitive", "why, in words"),
];

/// One row of `gold.insights`.
#[derive(Debug, Clone, Default)]
struct Insight {
    kind: String,
    text: String,
    n: Option<i64>,
    p_value: Option<f64>,
    interval: Option<(f64, f64)>,
}

/// A listener and how much of their listening is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Listener {
    pub(super) user_id: String,
    plays: i64,
    share: f64,
}

/// The listeners of the lake, who played most first.
pub(super) async fn listeners(client: &Client) -> Result<Vec<Listener>> {
    let sql = "select user_id, plays, share from gold.coverage order by plays desc, user_id";
    let (_, batches) = client.query(sql).await?;
    let mut listeners = Vec::new();
    for batch in &batches {
        let (users, plays) = (texts(batch, 0)?, integers(batch, 1)?);
        let shares = floats(batch, 2)?;
        listeners.extend((0..batch.num_rows()).map(|row| Listener {
            user_id: users.value(row).to_string(),
            plays: plays.value(row),
            share: shares.value(row),
        }));
    }
    Ok(listeners)
}

/// The insights about `listener`, kind by kind.
pub(super) async fn describe(client: &Client, listener: &Listener) -> Result<String> {
    let sql = format!(
        "select kind, text, n, p_value, ci_low, ci_high from gold.insights \
         where user_id = '{}' order by kind, insight_id",
        listener.user_id.replace('\'', "''")
    );
    let (_, batches) = client.query(&sql).await?;
    let mut insights = Vec::new();
    for batch in &batches {
        insights.extend(rows(batch)?);
    }
    Ok(render(listener, &insights))
}

fn rows(batch: &RecordBatch) -> Result<Vec<Insight>> {
    let (kinds, wording) = (texts(batch, 0)?, texts(batch, 1)?);
    let (n, p_value) = (integers(batch, 2)?, floats(batch, 3)?);
    let (low, high) = (floats(batch, 4)?, floats(batch, 5)?);
    let number = |column: &Float64Array, row| column.is_valid(row).then(|| column.value(row));
    let insight = |row: usize| Insight {
        kind: kinds.value(row).to_string(),
        text: wording.value(row).to_string(),
        n: n.is_valid(row).then(|| n.value(row)),
        p_value: number(&p_value, row),
        interval: number(&low, row).zip(number(&high, row)),
    };
    Ok((0..batch.num_rows()).map(insight).collect())
}

fn render(listener: &Listener, insights: &[Insight]) -> String {
    let mut out = format!(
        "Five kinds of insight for {}: {} plays, audio features known for {:.0} % of them\n",
        listener.user_id,
        grouped(listener.plays),
        listener.share * 100.0
    );
    for (kind, question) in KINDS {
        let of_kind: Vec<_> = insights
            .iter()
            .filter(|insight| insight.kind == kind)
            .collect();
        let _ = writeln!(out, "\n{} ({question})", kind.to_uppercase());
        for insight in of_kind.iter().take(PER_KIND) {
            out.push_str(&wrapped(&insight.text));
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
            .map(|(low, high)| format!("95 % interval {} to {}", rounded(low), rounded(high))),
    );
    parts.extend(insight.n.map(|n| format!("n = {}", grouped(n))));
    parts.extend(insight.p_value.map(|p| {
        if p < 0.001 {
            "p < 0.001".to_string()
        } else {
            format!("p = {p:.3}")
        }
    }));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Three significant digits, as far as they lie behind the point.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// `12,345`
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut line = String::from(INDENT);
    for word in text.split_whitespace() {
        let length = line.chars().count() + 1 + word.chars().count();
        if length > WIDTH && line.trim() != "" {
            out.push_str(line.trim_end());
            out.push('\n');
            line = String::from(INDENT);
        }
        line.push_str(word);
        line.push(' ');
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

fn texts(batch: &RecordBatch, column: usize) -> Result<StringArray> {
    Ok(cast(batch.column(column), &DataType::Utf8)?
        .as_string::<i32>()
        .clone())
}

fn integers(batch: &RecordBatch, column: usize) -> Result<Int64Array> {
    Ok(cast(batch.column(column), &DataType::Int64)?
        .as_primitive::<Int64Type>()
        .clone())
}

fn floats(batch: &RecordBatch, column: usize) -> Result<Float64Array> {
    Ok(cast(batch.column(column), &DataType::Float64)?
        .as_primitive::<Float64Type>()
        .clone())
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
        let text = render(&listener, &[insight]);
        assert!(text.starts_with(
            "Five kinds of insight for ada: 10,012 plays, audio features known for 97 %"
        ));
        assert!(text.contains(
            "  Mornings are livelier.\n    [95 % interval 2.05 to 2.61, n = 4,321, p < 0.001]\n"
        ));
        assert!(text.contains("COGNITIVE (why, in words)\n  none"));
    }

    #[test]
    fn long_text_wraps_at_words() {
        let text = wrapped(&"word ".repeat(40));
        assert!(
            text.lines()
                .all(|line| line.len() <= WIDTH && line.starts_with("  word"))
        );
        assert_eq!(text.split_whitespace().count(), 40);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [999, 1000, -1_234_567].map(grouped),
            ["999", "1,000", "-1,234,567"]
        );
    }
}
