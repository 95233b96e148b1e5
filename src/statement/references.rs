//! What a statement reads and writes, from its text alone: what the pipeline orders its scripts by.

use std::{collections::BTreeSet, ops::ControlFlow};

use datafusion::{
    common::TableReference,
    sql::{
        parser::Statement as DfStatement,
        resolve::resolve_table_references,
        sqlparser::ast::{
            self, FunctionArg, FunctionArgExpr, FunctionArguments, TableFactor, Value, Visit,
            Visitor,
        },
    },
};

use super::parse::{self, Statement, table_name};
use crate::{
    error::Result,
    lake::{DEFAULT_SCHEMA, TableName},
};

/// Functions whose first argument (or `model =>`) names a model.
const MODEL_FUNCTIONS: [&str; 18] = [
    "als_because",
    "als_fold_in",
    "als_score",
    "kmeans_centroids",
    "kmeans_silhouette",
    "ml_global_explain",
    "ml_weights",
    "ml_calibration",
    "ml_confusion_matrix",
    "ml_evaluate",
    "ml_feature_info",
    "ml_roc_curve",
    "kmeans_assign",
    "kmeans_distance",
    "ml_predict",
    "ml_predict_proba",
    "shap_values",
    "shap_explain",
];
/// The schema that models are addressed in.
pub(crate) const MODEL_SCHEMA: &str = "ml";

/// The tables and models of one statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// The table, view or model (`ml.<model>`) that it makes or changes.
    pub writes: Option<TableName>,
    /// Whether it only makes what is missing (`IF NOT EXISTS`).
    pub creates_if_missing: bool,
    /// What it reads, the tables behind relation functions included; models as `ml.<model>`.
    pub reads: BTreeSet<TableName>,
    /// The query that trains a model, in CREATE MODEL.
    pub query: Option<String>,
}

/// The references of one statement. Parses, and reads nothing.
///
/// # Errors
/// Those of parsing.
pub fn references(text: &str) -> Result<References> {
    of_statement(&parse::parse(text)?, DEFAULT_SCHEMA)
}

/// As [`references`], of a statement whose names without a schema are those of `schema`.
pub(super) fn of_statement(statement: &Statement, schema: &str) -> Result<References> {
    Ok(match statement {
        Statement::Query(statement) => References {
            reads: reads(statement, schema)?,
            ..References::default()
        },
        Statement::Change(statement) => {
            let writes = change_target(statement, schema)?;
            let mut reads = reads(statement, schema)?;
            reads.retain(|name| Some(name) != writes.as_ref());
            References {
                writes,
                reads,
                ..References::default()
            }
        }
        Statement::CreateTable(create) => References {
            writes: Some(create.name.clone()),
            creates_if_missing: create.if_not_exists,
            reads: match &create.query {
                Some(query) => query_reads(query, schema)?,
                None => BTreeSet::new(),
            },
            query: None,
        },
        Statement::CreateView {
            name,
            definition,
            if_not_exists,
            ..
        } => References {
            writes: Some(name.clone()),
            creates_if_missing: *if_not_exists,
            reads: reads(definition, schema)?,
            query: None,
        },
        Statement::CreateModel(create) => References {
            writes: Some(TableName::new(MODEL_SCHEMA, &create.name)?),
            creates_if_missing: false,
            reads: reads(&parse::parse_one(&create.query)?, schema)?,
            query: Some(create.query.clone()),
        },
        Statement::Drop { name, .. } => References {
            writes: Some(name.clone()),
            ..References::default()
        },
        Statement::DropModel { name, .. }
        | Statement::AlterModel { name, .. }
        | Statement::Retrain(name) => References {
            writes: Some(TableName::new(MODEL_SCHEMA, model_name(name))?),
            ..References::default()
        },
        Statement::DescribeModel(name) | Statement::CheckModel(name) => References {
            reads: BTreeSet::from([TableName::new(MODEL_SCHEMA, model_name(name))?]),
            ..References::default()
        },
        Statement::DescribeHistory { name, .. } => References {
            reads: BTreeSet::from([name.clone()]),
            ..References::default()
        },
        Statement::ExplainChange(explained) => References {
            writes: None,
            ..of_statement(&explained.statement, schema)?
        },
        Statement::CreateSchema { .. }
        | Statement::DropSchema { .. }
        | Statement::ShowModels
        | Statement::ShowGrants
        | Statement::CancelQuery(_)
        | Statement::Set(_)
        | Statement::ShowSetting(_)
        | Statement::Access(_) => References::default(),
    })
}

/// The name without the version in `mood@7`.
pub(super) fn model_name(written: &str) -> &str {
    written.split_once('@').map_or(written, |(name, _)| name)
}

fn change_target(statement: &DfStatement, schema: &str) -> Result<Option<TableName>> {
    let DfStatement::Statement(statement) = statement else {
        return Ok(None);
    };
    let name = match statement.as_ref() {
        ast::Statement::Insert(insert) => match &insert.table {
            ast::TableObject::TableName(name) => Some(name),
            _ => None,
        },
        ast::Statement::Merge(merge) => factor_name(&merge.table),
        ast::Statement::Delete(delete) => {
            let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) =
                &delete.from;
            from.first().and_then(|table| factor_name(&table.relation))
        }
        _ => None,
    };
    name.map(|name| table_name(name, schema)).transpose()
}

fn factor_name(factor: &TableFactor) -> Option<&ast::ObjectName> {
    match factor {
        TableFactor::Table { name, .. } => Some(name),
        _ => None,
    }
}

/// The tables and models that a query reads.
pub(super) fn query_reads(query: &ast::Query, schema: &str) -> Result<BTreeSet<TableName>> {
    let statement = ast::Statement::Query(Box::new(query.clone()));
    reads(&DfStatement::Statement(Box::new(statement)), schema)
}

fn reads(statement: &DfStatement, schema: &str) -> Result<BTreeSet<TableName>> {
    let (tables, _ctes) = resolve_table_references(statement, true)?;
    let mut found = Functions::default();
    visit(statement, &mut found);
    let mut reads = BTreeSet::new();
    for table in tables {
        let is_function =
            matches!(&table, TableReference::Bare { table } if found.relations.contains(&**table));
        if !is_function && table.schema() != Some("information_schema") {
            let name = table.table().split("@v").next().unwrap_or_default();
            reads.insert(TableName::new(table.schema().unwrap_or(schema), name)?);
        }
    }
    for function in &found.relations {
        for table in moodlake_udfs::tables_read(function) {
            reads.insert(table.parse()?);
        }
    }
    for model in found.models {
        let name = model.split('@').next().unwrap_or_default();
        reads.insert(TableName::new(MODEL_SCHEMA, name)?);
    }
    Ok(reads)
}

fn visit(statement: &DfStatement, visitor: &mut Functions) {
    match statement {
        DfStatement::Statement(statement) => {
            let _ = statement.visit(visitor);
        }
        DfStatement::Explain(explain) => visit(&explain.statement, visitor),
        _ => {}
    }
}

/// The relation functions that a statement calls, and the models that it names.
#[derive(Default)]
struct Functions {
    relations: BTreeSet<String>,
    models: BTreeSet<String>,
}

impl Visitor for Functions {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name,
            args: Some(args),
            ..
        } = factor
        {
            let function = name.to_string().to_lowercase();
            self.note_model(&function, &args.args);
            self.relations.insert(function);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::Function(call) = expr
            && let FunctionArguments::List(arguments) = &call.args
        {
            self.note_model(&call.name.to_string().to_lowercase(), &arguments.args);
        }
        ControlFlow::Continue(())
    }
}

impl Functions {
    fn note_model(&mut self, function: &str, arguments: &[FunctionArg]) {
        if !MODEL_FUNCTIONS.contains(&function) {
            return;
        }
        let named = arguments.iter().find_map(|argument| match argument {
            FunctionArg::Named { name, arg, .. } if name.value.eq_ignore_ascii_case("model") => {
                Some(arg)
            }
            _ => None,
        });
        let first = arguments.iter().find_map(|argument| match argument {
            FunctionArg::Unnamed(arg) => Some(arg),
            _ => None,
        });
        if let Some(FunctionArgExpr::Expr(ast::Expr::Value(value))) = named.or(first)
            && let Value::SingleQuotedString(model) = &value.value
        {
            self.models.insert(model.to_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(reads: &BTreeSet<TableName>) -> Vec<String> {
        reads.iter().map(TableName::to_string).collect()
    }

    #[test]
    fn whoever_asks_a_model_reads_it() {
        for call in [
            "select als_score('taste', factors, 'a') from silver.listeners",
            "select als_fold_in('taste@2', track_id, plays) from silver.plays",
            "select * from ml_global_explain(model => 'taste', input => silver.plays)",
        ] {
            let reads = names(&references(call).unwrap().reads);
            assert!(reads.contains(&"ml.taste".to_owned()), "{call}: {reads:?}");
        }
    }

    #[test]
    fn tables_models_and_functions_are_read_and_ctes_are_not() {
        let found = references(
            "create or replace table gold.x as with p as (select * from silver.plays version as of 2) \
             select ml_predict('mood@3', energy), r.* from p, recommend('coach') r \
             where exists (select 1 from silver.sessions)",
        )
        .unwrap();
        assert_eq!(found.writes.unwrap().to_string(), "gold.x");
        let reads = names(&found.reads);
        for table in [
            "ml.mood",
            "silver.plays",
            "silver.sessions",
            "gold.coach_policy",
        ] {
            assert!(reads.contains(&table.to_string()), "{table} of {reads:?}");
        }
        assert!(
            !reads
                .iter()
                .any(|name| name == "gold.p" || name.contains("recommend")),
            "{reads:?}"
        );
    }

    #[test]
    fn a_model_is_written_like_a_table() {
        let found = references(
            "create or replace model mood options (type = 'logistic', label = 'mood') as select * from silver.tracks",
        )
        .unwrap();
        assert_eq!(found.writes.unwrap().to_string(), "ml.mood");
        assert_eq!(names(&found.reads), ["silver.tracks"]);
        assert_eq!(found.query.as_deref(), Some("select * from silver.tracks"));
    }

    #[test]
    fn the_target_of_an_insert_is_not_read() {
        let found = references(
            "insert into bronze.t select * from staging.s s left anti join bronze.t t on s.a = t.a",
        )
        .unwrap();
        assert_eq!(found.writes.unwrap().to_string(), "bronze.t");
        assert_eq!(names(&found.reads), ["staging.s"]);
    }
}
