//! What `\d` and its kin ask the lake, and how they show the answer.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use datafusion::common::TableReference;

use crate::client::{Client, texts};
use crate::error::{Error, Result};
use crate::lake::DEFAULT_SCHEMA;
use crate::wording::type_name;

use super::function_help::{help, summary};

/// Rows, or text, or both.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) before: String,
    pub(super) rows: Option<RecordBatch>,
    pub(super) after: String,
}

/// The tables and views whose names match, or what one of them looks like.
pub(super) async fn relations(
    client: &Client,
    kind: Option<&str>,
    pattern: Option<&str>,
) -> Result<Answer> {
    let (schema, name) = match pattern {
        Some(name) if !is_pattern(name) => return relation(client, name).await,
        Some(pattern) => pattern.split_once('.').unwrap_or(("*", pattern)),
        None => ("*", "*"),
    };
    let kind = match kind {
        Some("view") => "and table_type = 'VIEW'",
        Some(_) => "and table_type <> 'VIEW'",
        None => "",
    };
    let sql = format!(
        "select table_schema as schema, table_name as name, \
         case table_type when 'VIEW' then 'view' else 'table' end as type \
         from information_schema.tables \
         where table_schema <> 'information_schema' and table_schema like {} and table_name like {} {kind} \
         order by table_schema, table_name",
        like(schema),
        like(name)
    );
    list(client, &sql).await
}

/// The schemas and how much is in them.
pub(super) async fn schemas(client: &Client) -> Result<Answer> {
    let sql = "select s.schema_name as schema, count(t.table_name) as tables \
               from information_schema.schemata as s \
               left join information_schema.tables as t on t.table_schema = s.schema_name \
               group by s.schema_name order by s.schema_name";
    list(client, sql).await
}

/// The models that are trained.
pub(super) async fn models(client: &Client) -> Result<Answer> {
    list(client, "show models").await
}

/// The functions whose names match; of a single one its help.
pub(super) async fn functions(client: &Client, pattern: Option<&str>) -> Result<Answer> {
    let sql = format!(
        "select routine_name, lower(function_type), max(syntax_example), max(description) \
         from information_schema.routines where routine_name like {} \
         group by routine_name, function_type order by routine_name",
        like(pattern.unwrap_or("*"))
    );
    let (_, batches) = client.query(&sql).await?;
    let column =
        |at| texts(&batches, at).map(|texts| texts.into_iter().map(Option::unwrap_or_default));
    let rows: Vec<_> = column(0)?
        .zip(column(1)?)
        .zip(column(2)?.zip(column(3)?))
        .map(|((name, kind), (syntax, description))| {
            let help = help(&name, &syntax, &description);
            (name, kind, help)
        })
        .collect();
    match (rows.as_slice(), pattern) {
        ([], Some(pattern)) => Err(Error::NotFound(format!(
            "there is no function '{pattern}'; \\df lists all, \\df *{pattern}* those with this in their names"
        ))),
        ([(_, _, help)], Some(_)) => Ok(Answer {
            before: help.clone(),
            ..Answer::default()
        }),
        _ => Ok(Answer {
            rows: Some(columns([
                (
                    "function",
                    rows.iter().map(|(name, ..)| name.clone()).collect(),
                ),
                (
                    "type",
                    rows.iter().map(|(_, kind, _)| kind.clone()).collect(),
                ),
                (
                    "what it does",
                    rows.iter().map(|(.., help)| summary(help)).collect(),
                ),
            ])?),
            after: "\\df NAME shows the help of one".into(),
            ..Answer::default()
        }),
    }
}

async fn list(client: &Client, sql: &str) -> Result<Answer> {
    let (schema, batches) = client.query(sql).await?;
    Ok(Answer {
        rows: Some(concat_batches(&schema, &batches)?),
        ..Answer::default()
    })
}

/// The columns of a table or view, and how a view was made.
async fn relation(client: &Client, name: &str) -> Result<Answer> {
    let reference = TableReference::from(name);
    let schema = reference.schema().unwrap_or(DEFAULT_SCHEMA);
    let table = reference.table();
    let is_it = format!(
        "table_schema = {} and table_name = {}",
        literal(schema),
        literal(table)
    );
    let sql = format!(
        "select column_name, data_type, is_nullable from information_schema.columns \
         where {is_it} order by ordinal_position"
    );
    let (_, batches) = client.query(&sql).await?;
    let names = texts(&batches, 0)?;
    if names.is_empty() {
        return Err(missing(client, name, schema, table).await);
    }
    let plain = |texts: Vec<Option<String>>| texts.into_iter().map(Option::unwrap_or_default);
    let types = plain(texts(&batches, 1)?).map(|text| sql_type(&text));
    let nulls = plain(texts(&batches, 2)?).map(|text| match text.as_str() {
        "NO" => "not null".to_string(),
        _ => String::new(),
    });
    let rows = columns([
        ("column", plain(names).collect()),
        ("type", types.collect()),
        ("null", nulls.collect()),
    ])?;
    let sql = format!("select definition from information_schema.views where {is_it}");
    let (_, batches) = client.query(&sql).await?;
    // Whoever may not see a view's text sees that it is one.
    let definition = texts(&batches, 0)?.into_iter().next();
    let kind = if definition.is_some() {
        "view"
    } else {
        "table"
    };
    Ok(Answer {
        before: format!("{kind} {schema}.{table}"),
        rows: Some(rows),
        after: definition.flatten().unwrap_or_default(),
    })
}

/// Why a table has no columns: reading it says more than that it is not listed.
async fn missing(client: &Client, name: &str, schema: &str, table: &str) -> Error {
    let sql = format!("select * from {name} limit 0");
    match client.query(&sql).await {
        Err(error) => error,
        Ok(_) => Error::NotFound(format!("{schema}.{table} has no columns")),
    }
}

fn columns<const N: usize>(columns: [(&str, Vec<String>); N]) -> Result<RecordBatch> {
    let columns = columns.map(|(name, texts)| {
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        (name, texts)
    });
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// The SQL name of a type that Arrow names.
fn sql_type(arrow: &str) -> String {
    let plain = arrow
        .replace("Utf8View", "Utf8")
        .replace("BinaryView", "Binary");
    let name = plain
        .parse()
        .map(|data_type: DataType| type_name(&data_type));
    name.map_or(plain, |name| name.to_lowercase())
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A pattern of the shell as one of SQL.
fn like(pattern: &str) -> String {
    let mut text = String::new();
    for character in pattern.to_lowercase().chars() {
        match character {
            '*' => text.push('%'),
            '?' => text.push('_'),
            '%' | '_' | '\\' => text.extend(['\\', character]),
            other => text.push(other),
        }
    }
    literal(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_names_that_create_table_takes() {
        for (arrow, sql) in [
            ("Utf8View", "varchar"),
            ("Int64", "bigint"),
            ("Timestamp(µs, \"UTC\")", "timestamp with time zone"),
            ("List(Utf8View)", "varchar[]"),
        ] {
            assert_eq!(sql_type(arrow), sql, "{arrow}");
        }
        assert_eq!(sql_type("Something"), "Something");
    }

    #[test]
    fn a_pattern_takes_no_letters_that_it_does_not_name() {
        assert_eq!(like("Top_*'?"), "'top\\_%''_'");
        assert!(is_pattern("gold.*") && !is_pattern("gold.top_tracks"));
    }
}
