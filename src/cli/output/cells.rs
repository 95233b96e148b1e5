//! Values as text that a terminal shows as it is meant.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::Result;

/// The column of `system.tables` and others that holds whole scripts.
const STATEMENT: &str = "statement";

/// The texts of each column; nulls are empty.
pub(super) fn texts(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null("");
    let of_column = |column: &arrow::array::ArrayRef| {
        let values = ArrayFormatter::try_new(column.as_ref(), &options)?;
        (0..batch.num_rows())
            .map(|row| Ok(visible(values.value(row).try_to_string()?)))
            .collect()
    };
    batch.columns().iter().map(of_column).collect()
}

/// Leaves only the first line of statements, which are as long as scripts.
pub(super) fn shorten_statements(schema: &Schema, texts: &mut [Vec<String>]) {
    for (field, texts) in schema.fields().iter().zip(texts) {
        if field.name() == STATEMENT {
            texts.iter_mut().for_each(cut_to_first_line);
        }
    }
}

/// Whether values stand at the right, so that their digits are in line.
pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// What would move the cursor or change colours is written out.
pub(super) fn visible(text: String) -> String {
    let is_hidden = |character: char| character.is_control() && character != '\n';
    if !text.contains(is_hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_hidden(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn cut_to_first_line(text: &mut String) {
    if let Some(end) = text.find('\n') {
        text.truncate(end);
        text.push_str(" …");
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Float64Array, Int32Array, StringArray, StructArray,
        TimestampMicrosecondArray,
    };
    use arrow::datatypes::Field;

    use super::*;

    /// Two rows of the types that formats differ in.
    pub(in crate::cli::output) fn sample() -> RecordBatch {
        let at = TimestampMicrosecondArray::from(vec![Some(1_772_351_892_000_000), None]);
        let inner: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        let field = Arc::new(Field::new("x", DataType::Int32, true));
        let text = StringArray::from(vec![Some("a, \"b\""), None]);
        let new = BooleanArray::from(vec![true, false]);
        let columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("t", Arc::new(text), true),
            ("is_new", Arc::new(new), true),
            ("at", Arc::new(at.clone().with_timezone("UTC")), true),
            ("local_at", Arc::new(at), true),
            ("f", Arc::new(Float64Array::from(vec![0.1, 2.0])), true),
            ("s", Arc::new(StructArray::from(vec![(field, inner)])), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    #[test]
    fn nulls_are_empty_and_nested_values_are_written_out() {
        let texts = texts(&sample()).unwrap();
        assert_eq!(texts[0], ["a, \"b\"", ""]);
        assert_eq!(texts[2], ["2026-03-01T07:58:12Z", ""]);
        assert_eq!(texts[5], ["{x: 1}", "{x: 2}"]);
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(visible("a\tb\x1b[2J\nc".into()), "a\\tb\\u{1b}[2J\nc");
    }
}
