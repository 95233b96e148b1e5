//! A table in a frame. Its columns are as wide as the first rows need, and wider once later rows need
//! it, so that a result of any length is printed as it comes. What is too wide for its terminal has
//! one line for each value instead.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::cli::terminal::{display_width, fold};
use crate::error::{Error, Result};

use super::cells::{is_number, shorten_statements, texts, visible};
use super::expanded::Records;
use super::{OUT, Rows};

/// Rows that are read before columns get their widths.
const HEAD_ROWS: usize = 10_000;
/// Narrower columns cannot be read.
const NARROWEST: usize = 8;

/// Rows between lines of `-`, `+` and `|`.
pub(super) struct TableRows<W: Write> {
    out: W,
    schema: SchemaRef,
    /// The columns of the terminal, if one shows it.
    width: Option<usize>,
    head: Vec<Vec<Vec<String>>>,
    head_rows: usize,
    shape: Option<Shape>,
}

/// What the first rows decide.
enum Shape {
    Table(Vec<Column>),
    Expanded(Records),
}

struct Column {
    /// What the widest cell so far needs.
    needed: usize,
    width: usize,
    is_right: bool,
}

impl<W: Write> TableRows<W> {
    pub(super) fn new(out: W, schema: SchemaRef, width: Option<usize>) -> Self {
        Self {
            out,
            schema,
            width,
            head: Vec::new(),
            head_rows: 0,
            shape: None,
        }
    }

    /// Writes the header and what was held back.
    fn begin(&mut self) -> Result<()> {
        let mut columns = columns(&self.schema);
        for texts in &self.head {
            need(&mut columns, texts);
        }
        widen(&mut columns, self.width);
        let line = rule(&columns);
        let is_wider = |width: usize| line.trim_end().len() > width.max(NARROWEST);
        let mut text = String::new();
        let mut shape = if self.width.is_some_and(is_wider) && self.head_rows > 0 {
            Shape::Expanded(Records::new(&self.schema, self.width))
        } else {
            let names = self.schema.fields().iter();
            let names: Vec<Vec<String>> = names
                .map(|field| vec![visible(field.name().clone())])
                .collect();
            text = format!("{line}{}{line}", rows(&columns, &names));
            Shape::Table(columns)
        };
        for texts in self.head.drain(..) {
            text.push_str(&shape.rows(&texts, self.width));
        }
        self.shape = Some(shape);
        self.print(&text)
    }

    fn print(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes()).map_err(Error::io(OUT))
    }
}

impl<W: Write> Rows for TableRows<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut texts = texts(batch)?;
        if self.width.is_some() {
            shorten_statements(&self.schema, &mut texts);
        }
        if let Some(shape) = &mut self.shape {
            let text = shape.rows(&texts, self.width);
            return self.print(&text);
        }
        self.head.push(texts);
        self.head_rows += batch.num_rows();
        if self.head_rows >= HEAD_ROWS {
            self.begin()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        if self.shape.is_none() {
            self.begin()?;
        }
        if let Some(Shape::Table(columns)) = &self.shape {
            let end = rule(columns);
            self.print(&end)?;
        }
        self.out.flush().map_err(Error::io(OUT))
    }
}

impl Shape {
    fn rows(&mut self, texts: &[Vec<String>], width: Option<usize>) -> String {
        match self {
            Self::Table(columns) => {
                need(columns, texts);
                widen(columns, width);
                rows(columns, texts)
            }
            Self::Expanded(records) => records.text(texts),
        }
    }
}

fn columns(schema: &Schema) -> Vec<Column> {
    let fields = schema.fields().iter();
    fields
        .map(|field| Column {
            needed: display_width(field.name()).max(1),
            width: 0,
            is_right: is_number(field.data_type()),
        })
        .collect()
}

fn need(columns: &mut [Column], texts: &[Vec<String>]) {
    let lines = |text: &String| text.lines().map(display_width).max();
    for (column, texts) in columns.iter_mut().zip(texts) {
        let widest = texts.iter().filter_map(lines).max();
        column.needed = column.needed.max(widest.unwrap_or(0));
    }
}

/// Gives columns what they need, as far as the terminal has it.
fn widen(columns: &mut [Column], width: Option<usize>) {
    let needed: Vec<usize> = columns.iter().map(|column| column.needed).collect();
    let limit = width.map_or(usize::MAX, |width| widest_column(&needed, width));
    for column in columns {
        column.width = column.width.max(column.needed.min(limit));
    }
}

/// How wide a column may be for all of them, with their frames, to fit into `width`.
fn widest_column(widths: &[usize], width: usize) -> usize {
    let room = width.saturating_sub(3 * widths.len() + 1);
    let (mut narrow, mut left) = (widths.to_vec(), room);
    narrow.sort_unstable();
    for (index, width) in narrow.iter().enumerate() {
        let share = left / (narrow.len() - index);
        if *width > share {
            return share.max(NARROWEST);
        }
        left -= width;
    }
    usize::MAX
}

fn rule(columns: &[Column]) -> String {
    let mut line = String::from("+");
    for column in columns {
        line.push_str(&"-".repeat(column.width + 2));
        line.push('+');
    }
    line.push('\n');
    line
}

/// The rows of the columns' texts.
fn rows(columns: &[Column], texts: &[Vec<String>]) -> String {
    let mut out = String::new();
    for row in 0..texts.first().map_or(0, Vec::len) {
        let cells: Vec<Vec<String>> = (columns.iter().zip(texts))
            .map(|(column, texts)| fold(&texts[row], column.width))
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
        for line in 0..height {
            out.push('|');
            for (column, cell) in columns.iter().zip(&cells) {
                let text = cell.get(line).map_or("", String::as_str);
                push_cell(&mut out, text, column);
            }
            out.push('\n');
        }
    }
    out
}

fn push_cell(out: &mut String, text: &str, column: &Column) {
    let gap = " ".repeat(column.width.saturating_sub(display_width(text)));
    let (before, after) = if column.is_right {
        (gap.as_str(), "")
    } else {
        ("", gap.as_str())
    };
    for part in [" ", before, text, after, " |"] {
        out.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn printed(batches: &[RecordBatch], width: Option<usize>) -> String {
        let mut out = Vec::new();
        let mut table = TableRows::new(&mut out, batches[0].schema(), width);
        for batch in batches {
            table.write(batch).unwrap();
        }
        table.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn strings(name: &str, values: Vec<&str>) -> RecordBatch {
        let values: ArrayRef = Arc::new(StringArray::from(values));
        RecordBatch::try_from_iter([(name, values)]).unwrap()
    }

    #[test]
    fn numbers_are_at_the_right_and_wide_letters_count_twice() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["ab", "音楽", ""]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), Some(100), None]));
        let batch = RecordBatch::try_from_iter([("t", texts), ("n", numbers)]).unwrap();
        assert_eq!(
            printed(&[batch], None),
            "+------+-----+\n\
             | t    |   n |\n\
             +------+-----+\n\
             | ab   |   7 |\n\
             | 音楽 | 100 |\n\
             |      |     |\n\
             +------+-----+\n"
        );
    }

    #[test]
    fn a_table_fits_its_terminal() {
        let long = "word ".repeat(40);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["short", &long]));
        let statements: ArrayRef =
            Arc::new(StringArray::from(vec!["create table a\nas select 1"; 2]));
        let columns = [("text", texts), ("statement", statements)];
        let table = printed(&[RecordBatch::try_from_iter(columns).unwrap()], Some(60));
        assert!(table.lines().all(|line| line.len() <= 62), "{table}");
        assert_eq!(table.matches("word").count(), 40);
        assert!(table.contains("create table a …") && !table.contains("select"));
        assert_eq!(widest_column(&[3, 10], 80), usize::MAX);
    }

    #[test]
    fn later_rows_widen_their_columns_and_are_folded_at_the_edge() {
        let head = strings("t", vec!["ab"; HEAD_ROWS]);
        let later = strings("t", vec!["abcdefghijkl"]);
        let table = printed(&[head.clone(), later.clone()], None);
        assert!(table.ends_with("| ab |\n| abcdefghijkl |\n+--------------+\n"));
        let table = printed(&[head, later], Some(12));
        assert!(table.ends_with("| ab |\n| abcdefgh |\n| ijkl     |\n+----------+\n"));
    }

    #[test]
    fn what_is_too_wide_has_a_line_for_each_value() {
        let column = |name| strings(name, vec!["a rather long text"]).column(0).clone();
        let names = ["a", "b", "c", "d"];
        let batch = RecordBatch::try_from_iter(names.map(|name| (name, column(name)))).unwrap();
        let table = printed(&[batch.clone(), batch], Some(40));
        assert!(
            table.starts_with("-[ row 1 ]-\na | a rather long text\n"),
            "{table}"
        );
        assert!(table.contains("\n-[ row 2 ]-\n"), "{table}");
    }

    #[test]
    fn no_rows_are_a_header() {
        assert_eq!(
            printed(&[strings("t", vec![])], Some(80)),
            "+---+\n| t |\n+---+\n+---+\n"
        );
    }
}
