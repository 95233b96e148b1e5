//! What Flight SQL says of a table's columns, in the metadata of each field: where it belongs, and
//! the name, precision and scale of its SQL type. Drivers fill their column lists from it.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Schema};

use super::wire;
use crate::{lake::CATALOG, wording::type_name};

const PREFIX: &str = "ARROW:FLIGHT:SQL:";
/// Where Delta tables keep the comment of a column.
const COMMENT: &str = "comment";

/// A table's schema in plain types, with Flight SQL's metadata on every field.
pub(crate) fn described(schema: &Schema, schema_name: &str, table: &str) -> Schema {
    let plain = wire::table_schema(schema);
    let fields: Vec<Field> = plain
        .fields()
        .iter()
        .zip(schema.fields())
        .map(|(field, original)| {
            let comment = original.metadata().get(COMMENT);
            let metadata = column_metadata(field.data_type(), schema_name, table, comment);
            field.as_ref().clone().with_metadata(metadata)
        })
        .collect();
    Schema::new(fields)
}

fn column_metadata(
    data_type: &DataType,
    schema_name: &str,
    table: &str,
    comment: Option<&String>,
) -> HashMap<String, String> {
    let mut metadata = HashMap::new();
    let mut set = |key: &str, value: &str| {
        metadata.insert(format!("{PREFIX}{key}"), value.to_string());
    };
    set("CATALOG_NAME", CATALOG);
    set("SCHEMA_NAME", schema_name);
    set("TABLE_NAME", table);
    set("TYPE_NAME", &type_name(data_type));
    if let Some((precision, scale)) = precision_and_scale(data_type) {
        set("PRECISION", &precision.to_string());
        set("SCALE", &scale.to_string());
    }
    set("IS_AUTO_INCREMENT", "0");
    set(
        "IS_CASE_SENSITIVE",
        if *data_type == DataType::Utf8 {
            "1"
        } else {
            "0"
        },
    );
    set("IS_READ_ONLY", "0");
    set("IS_SEARCHABLE", "1");
    if let Some(comment) = comment {
        set("REMARKS", comment);
    }
    metadata
}

/// Decimal digits of a number, and those after the point; for floats, the digits that are exact.
fn precision_and_scale(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Int8 | DataType::UInt8 => Some((3, 0)),
        DataType::Int16 | DataType::UInt16 => Some((5, 0)),
        DataType::Int32 | DataType::UInt32 => Some((10, 0)),
        DataType::Int64 => Some((19, 0)),
        DataType::UInt64 => Some((20, 0)),
        DataType::Float32 => Some((7, 7)),
        DataType::Float64 => Some((15, 15)),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            Some((*precision, *scale))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_says_where_it_belongs_and_what_it_is() {
        let tempo = Field::new("tempo", DataType::Decimal128(7, 2), false);
        let schema = Schema::new(vec![tempo, Field::new("name", DataType::Utf8View, true)]);
        let described = described(&schema, "silver", "tracks");
        let tempo = described.field(0);
        let told = |key: &str| tempo.metadata().get(&format!("{PREFIX}{key}")).cloned();
        assert_eq!(told("TABLE_NAME").as_deref(), Some("tracks"));
        assert_eq!(told("TYPE_NAME").as_deref(), Some("DECIMAL(7, 2)"));
        assert_eq!(told("SCALE").as_deref(), Some("2"));
        assert!(!tempo.is_nullable());
        assert_eq!(described.field(1).data_type(), &DataType::Utf8);
    }
}
