//! One line for each value: for rows that are wider than the terminal.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use crate::cli::terminal::{display_width, fold};
use crate::error::{Error, Result};

use super::cells::{texts, visible};
use super::{OUT, Rows};

/// Between a name and its value.
const BAR: &str = " | ";
/// A name that leaves less than this to its value does not narrow it further.
const NARROWEST: usize = 20;

/// Rows, each under a line with its number.
pub(super) struct ExpandedRows<W: Write> {
    out: W,
    records: Records,
}

impl<W: Write> ExpandedRows<W> {
    pub(super) fn new(out: W, schema: &Schema, width: Option<usize>) -> Self {
        let records = Records::new(schema, width);
        Self { out, records }
    }
}

impl<W: Write> Rows for ExpandedRows<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let text = self.records.text(&texts(batch)?);
        self.out.write_all(text.as_bytes()).map_err(Error::io(OUT))
    }

    fn finish(mut self) -> Result<()> {
        self.out.flush().map_err(Error::io(OUT))
    }
}

/// How rows are laid out, and how many there were.
pub(super) struct Records {
    /// The names, all of the same width.
    names: Vec<String>,
    name_width: usize,
    value_width: usize,
    rows: usize,
}

impl Records {
    pub(super) fn new(schema: &Schema, width: Option<usize>) -> Self {
        let names = schema.fields().iter();
        let names: Vec<String> = names.map(|field| visible(field.name().clone())).collect();
        let name_width = names.iter().map(|name| display_width(name)).max();
        let name_width = name_width.unwrap_or(0);
        let padded = |name: &String| {
            let gap = name_width - display_width(name);
            format!("{name}{}", " ".repeat(gap))
        };
        Self {
            names: names.iter().map(padded).collect(),
            name_width,
            value_width: width.map_or(usize::MAX, |width| {
                width.saturating_sub(name_width + BAR.len()).max(NARROWEST)
            }),
            rows: 0,
        }
    }

    /// The rows of the columns' texts.
    pub(super) fn text(&mut self, texts: &[Vec<String>]) -> String {
        let mut text = String::new();
        for row in 0..texts.first().map_or(0, Vec::len) {
            self.rows += 1;
            self.push_row(&mut text, texts, row);
        }
        text
    }

    fn push_row(&self, text: &mut String, texts: &[Vec<String>], row: usize) {
        text.extend(["-[ row ", &self.rows.to_string(), " ]-\n"]);
        let empty = " ".repeat(self.name_width);
        for (name, texts) in self.names.iter().zip(texts) {
            let mut lines = fold(&texts[row], self.value_width);
            if lines.is_empty() {
                lines.push(String::new());
            }
            for (at, line) in lines.iter().enumerate() {
                let name = if at == 0 { name } else { &empty };
                text.push_str(format!("{name}{BAR}{line}").trim_end());
                text.push('\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::cells::tests::sample;

    #[test]
    fn each_value_has_its_line() {
        let batch = sample().project(&[0, 4]).unwrap();
        let mut out = Vec::new();
        let mut rows = ExpandedRows::new(&mut out, &batch.schema(), Some(80));
        rows.write(&batch).unwrap();
        rows.finish().unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "-[ row 1 ]-\nt | a, \"b\"\nf | 0.1\n-[ row 2 ]-\nt |\nf | 2.0\n"
        );
    }
}
