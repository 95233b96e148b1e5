//! From text to a [`Statement`]: DataFusion's parser, with what its grammar lacks put around it.

use datafusion::{
    common::DataFusionError,
    sql::{
        parser::{DFParserBuilder, ExplainStatement, Statement as DfStatement},
        sqlparser::{
            ast::{self, ObjectName, ObjectType, helpers::stmt_create_table::CreateTableBuilder},
            parser::ParserError,
            tokenizer::Token,
        },
    },
};

use super::{
    access_ddl::{self, AccessChange},
    cancel, depth,
    dialect::Bounded,
    expanded,
    explain::ExplainChange,
    model_ddl,
    settings::{self, Setting},
    temporary,
    tokens::{
        number_parameters, quote_current_user, render, rewrite_versions, take_partitioned_by,
        tokenize,
    },
    update,
    words::{Words, shown},
};
use crate::{
    error::{Error, Result},
    lake::{DEFAULT_SCHEMA, TEMPORARY_SCHEMA, TableName},
    models::CreateModel,
};

/// A statement, sorted by who carries it out.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    /// SELECT, EXPLAIN, SHOW, DESCRIBE: planned and streamed by DataFusion.
    Query(Box<DfStatement>),
    /// INSERT, MERGE, DELETE: planned by DataFusion, carried out by the lake.
    Change(Box<DfStatement>),
    CreateTable(Box<CreateTable>),
    CreateView {
        name: TableName,
        /// The whole statement: its query, and how it names the columns.
        definition: Box<DfStatement>,
        replace: bool,
        if_not_exists: bool,
    },
    CreateSchema {
        name: String,
        if_not_exists: bool,
    },
    DropSchema {
        name: String,
        if_exists: bool,
    },
    Drop {
        kind: Dropped,
        name: TableName,
        if_exists: bool,
    },
    CreateModel(Box<CreateModel>),
    DropModel {
        name: String,
        if_exists: bool,
    },
    ShowModels,
    /// ALTER MODEL … SET ALIAS, or DROP ALIAS where there is no version.
    AlterModel {
        name: String,
        alias: String,
        version: Option<i64>,
    },
    DescribeModel(String),
    /// RETRAIN: a new version on today's rows.
    Retrain(String),
    /// RETRAIN … CHECK: whether a version comes out the same again.
    CheckModel(String),
    DescribeHistory {
        name: TableName,
        limit: Option<usize>,
    },
    Access(Box<AccessChange>),
    ShowGrants,
    /// CANCEL QUERY 'id'.
    CancelQuery(String),
    Set(Setting),
    ShowSetting(settings::Name),
    /// EXPLAIN of a statement that writes.
    ExplainChange(Box<ExplainChange>),
}

/// What DROP can take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    Table,
    View,
}

/// CREATE TABLE, with or without AS.
#[derive(Debug, Clone)]
pub(crate) struct CreateTable {
    pub(crate) name: TableName,
    pub(crate) replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) partition_by: Vec<String>,
    pub(crate) columns: Vec<ast::ColumnDef>,
    pub(crate) constraints: Vec<ast::TableConstraint>,
    pub(crate) query: Option<Box<ast::Query>>,
}

/// Parses exactly one statement, whose names without a schema are those of the default one.
pub(crate) fn parse(text: &str) -> Result<Statement> {
    parse_in(text, DEFAULT_SCHEMA, &[])
}

/// Parses exactly one statement, whose names without a schema are those of temporary tables, and else of `schema`.
pub(crate) fn parse_in(text: &str, schema: &str, temporary: &[String]) -> Result<Statement> {
    let mut tokens = tokenize(text)?;
    depth::check(&tokens)?;
    number_parameters(&mut tokens)?;
    quote_current_user(&mut tokens);
    rewrite_versions(&mut tokens)?;
    if let Some(mut statement) = model_ddl::parse(&tokens, text)? {
        if let Statement::CreateModel(create) = &mut statement {
            create.query = temporary::qualified(&create.query, temporary)?;
        }
        return Ok(statement);
    }
    if let Some(id) = cancel::parse(&tokens)? {
        return Ok(Statement::CancelQuery(id));
    }
    if let Some(statement) = settings::parse(&tokens)? {
        return Ok(statement);
    }
    if let Some(statement) = access_ddl::parse(&tokens, schema)? {
        return Ok(statement);
    }
    if let Some(statement) = describe_history(&tokens, schema)? {
        return Ok(statement);
    }
    let partition_by = take_partitioned_by(&mut tokens)?;
    let mut statement = parse_one(&render(&tokens))?;
    temporary::qualify(&mut statement, temporary)?;
    classify(statement, partition_by, schema)
}

fn describe_history(tokens: &[Token], schema: &str) -> Result<Option<Statement>> {
    let statement = "DESCRIBE HISTORY";
    let words = &mut Words::new(tokens);
    if !words.take(&["describe", "history"]) && !words.take(&["desc", "history"]) {
        return Ok(None);
    }
    let name = words.table(statement, schema)?;
    let limit = if words.take(&["limit"]) {
        match words.advance() {
            Some(Token::Number(digits, _)) if digits.parse::<usize>().is_ok() => {
                digits.parse().ok()
            }
            found => {
                return Err(Error::Input(format!(
                    "{statement}: expected a whole number after LIMIT, found {}",
                    shown(found)
                )));
            }
        }
    } else {
        None
    };
    words.end(statement)?;
    Ok(Some(Statement::DescribeHistory { name, limit }))
}

/// The statement in a view's file, for planning.
pub(crate) fn parse_view(text: &str) -> Result<DfStatement> {
    match parse(text)? {
        Statement::CreateView { definition, .. } => Ok(*definition),
        _ => Err(Error::Input("its file holds no CREATE VIEW".into())),
    }
}

pub(super) fn parse_one(text: &str) -> Result<DfStatement> {
    let dialect = Bounded::new(text);
    let mut parser = DFParserBuilder::new(text).with_dialect(&dialect).build()?;
    let mut statements = parser.parse_statements().map_err(syntax_error)?;
    match (statements.pop_front(), statements.len()) {
        (Some(mut statement), 0) => {
            rewrite(&mut statement)?;
            Ok(statement)
        }
        (None, _) => Err(Error::Input("the statement is empty".into())),
        (Some(_), more) => Err(Error::Input(format!(
            "expected one statement, found {}; send them one by one",
            more + 1
        ))),
    }
}

/// Writes tables' names in the arguments of relation functions out as queries, which planning can look up, and an UPDATE
/// as a MERGE.
fn rewrite(statement: &mut DfStatement) -> Result<()> {
    match statement {
        DfStatement::Statement(statement) => {
            moodlake_udfs::expand_inputs(statement)?;
            update::rewrite(statement)?;
            expanded::check(statement)
        }
        DfStatement::Explain(explain) => rewrite(&mut explain.statement),
        _ => Ok(()),
    }
}

fn syntax_error(error: DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::SQL(parser_error, _)
            if matches!(**parser_error, ParserError::RecursionLimitExceeded) =>
        {
            Error::Input(
                "SQL: the statement nests too deep, or has a mistake behind many things in each other: write it in \
                 steps, and look at its brackets"
                    .into(),
            )
        }
        DataFusionError::SQL(parser_error, _) => {
            let text = parser_error.to_string();
            Error::Input(format!(
                "SQL: {}",
                text.trim_start_matches("sql parser error: ")
            ))
        }
        _ => error.into(),
    }
}

fn classify(statement: DfStatement, partition_by: Vec<String>, schema: &str) -> Result<Statement> {
    let sql = match statement {
        DfStatement::Statement(sql) => *sql,
        DfStatement::Explain(explain) => return explained(explain, partition_by, schema),
        DfStatement::CreateExternalTable(_) | DfStatement::CopyTo(_) => {
            return Err(Error::Unsupported(
                "reading and writing files by CREATE EXTERNAL TABLE or COPY is not offered; load with \
                 spotify_history('PATH') or tracks_csv('PATH')"
                    .into(),
            ));
        }
        DfStatement::Reset(_) => return Err(not_understood("RESET")),
    };
    let df = |sql| Box::new(DfStatement::Statement(Box::new(sql)));
    Ok(match sql {
        ast::Statement::CreateTable(create) => {
            Statement::CreateTable(Box::new(create_table(create, partition_by, schema)?))
        }
        ast::Statement::CreateView(view) => {
            if view.temporary || view.materialized {
                return Err(Error::Unsupported(format!(
                    "CREATE VIEW {}: temporary and materialized views are not offered; CREATE TABLE … AS keeps rows",
                    view.name
                )));
            }
            Statement::CreateView {
                name: table_name(&view.name, schema)?,
                replace: view.or_replace,
                if_not_exists: view.if_not_exists,
                definition: df(ast::Statement::CreateView(view)),
            }
        }
        ast::Statement::CreateSchema {
            schema_name,
            if_not_exists,
            ..
        } => {
            let (ast::SchemaName::Simple(name) | ast::SchemaName::NamedAuthorization(name, _)) =
                schema_name
            else {
                return Err(Error::Input("CREATE SCHEMA: expected a name".into()));
            };
            Statement::CreateSchema {
                name: last_part(&name),
                if_not_exists,
            }
        }
        ast::Statement::Drop {
            object_type,
            if_exists,
            names,
            ..
        } => drop_statement(object_type, if_exists, &names, schema)?,
        ast::Statement::Query(_)
        | ast::Statement::ShowTables { .. }
        | ast::Statement::ShowColumns { .. }
        | ast::Statement::ShowVariable { .. }
        | ast::Statement::ShowFunctions { .. }
        | ast::Statement::ExplainTable { .. }
        | ast::Statement::Explain { .. } => Statement::Query(df(sql)),
        ast::Statement::Insert(_) | ast::Statement::Merge { .. } | ast::Statement::Delete(_) => {
            Statement::Change(df(sql))
        }
        ast::Statement::Set(_) => return Err(not_understood("SET")),
        ast::Statement::StartTransaction { .. }
        | ast::Statement::Commit { .. }
        | ast::Statement::Rollback { .. } => {
            return Err(Error::Unsupported(
                "transactions over several statements are not offered: each statement is one atomic commit".into(),
            ));
        }
        other => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            return Err(Error::Unsupported(format!(
                "{} is not offered",
                words.join(" ")
            )));
        }
    })
}

/// EXPLAIN of a query is DataFusion's.
fn explained(
    explain: ExplainStatement,
    partition_by: Vec<String>,
    schema: &str,
) -> Result<Statement> {
    match classify(*explain.statement.clone(), partition_by, schema)? {
        Statement::Query(_) => Ok(Statement::Query(Box::new(DfStatement::Explain(explain)))),
        other => {
            let explained = ExplainChange::new(other, &explain.options)?;
            Ok(Statement::ExplainChange(Box::new(explained)))
        }
    }
}

fn not_understood(word: &str) -> Error {
    Error::Input(format!(
        "{word}: this form is not understood; {word} schema and {word} time_zone are"
    ))
}

fn create_table(
    create: ast::CreateTable,
    partition_by: Vec<String>,
    schema: &str,
) -> Result<CreateTable> {
    if create.external || create.like.is_some() || create.clone.is_some() {
        return Err(Error::Unsupported(format!(
            "CREATE TABLE {}: external, LIKE and CLONE tables are not offered",
            create.name
        )));
    }
    refuse_options(&create)?;
    let name = if create.temporary {
        temporary_name(&create.name)?
    } else {
        table_name(&create.name, schema)?
    };
    Ok(CreateTable {
        name,
        replace: create.or_replace,
        if_not_exists: create.if_not_exists,
        partition_by,
        columns: create.columns,
        constraints: create.constraints,
        query: create.query,
    })
}

/// The name of a temporary table, which is in no schema of the lake.
fn temporary_name(name: &ObjectName) -> Result<TableName> {
    let written = table_name(name, TEMPORARY_SCHEMA)?;
    if written.schema == TEMPORARY_SCHEMA {
        return Ok(written);
    }
    Err(Error::Input(format!(
        "CREATE TEMPORARY TABLE {written}: a temporary table is in no schema of the lake; leave '{schema}.' or TEMPORARY out",
        schema = written.schema
    )))
}

/// Refuses whatever CREATE TABLE may say that would be passed over.
fn refuse_options(create: &ast::CreateTable) -> Result<()> {
    let understood = CreateTableBuilder::new(create.name.clone())
        .or_replace(create.or_replace)
        .if_not_exists(create.if_not_exists)
        .columns(create.columns.clone())
        .constraints(create.constraints.clone())
        .query(create.query.clone())
        .temporary(create.temporary)
        .hive_formats(create.hive_formats.clone())
        .build();
    if *create == understood {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "CREATE TABLE {}: options such as WITH, LOCATION and COMMENT are not offered; PARTITIONED BY is",
        create.name
    )))
}

fn drop_statement(
    kind: ObjectType,
    if_exists: bool,
    names: &[ObjectName],
    schema: &str,
) -> Result<Statement> {
    let [name] = names else {
        return Err(Error::Unsupported("DROP takes one name at a time".into()));
    };
    let kind = match kind {
        ObjectType::Schema => {
            return Ok(Statement::DropSchema {
                name: last_part(name),
                if_exists,
            });
        }
        ObjectType::Table => Dropped::Table,
        ObjectType::View => Dropped::View,
        other => return Err(Error::Unsupported(format!("DROP {other} is not offered"))),
    };
    Ok(Statement::Drop {
        kind,
        name: table_name(name, schema)?,
        if_exists,
    })
}

/// A SQL name as a table's name: unquoted parts in lower case, `schema` where none is said.
pub(crate) fn table_name(name: &ObjectName, schema: &str) -> Result<TableName> {
    let parts: Vec<String> = name.0.iter().map(name_part).collect();
    TableName::of_parts(&parts, schema)
}

pub(super) fn last_part(name: &ObjectName) -> String {
    name.0.last().map(name_part).unwrap_or_default()
}

pub(super) fn name_part(part: &ast::ObjectNamePart) -> String {
    match part.as_ident() {
        Some(ident) if ident.quote_style.is_none() => ident.value.to_lowercase(),
        Some(ident) => ident.value.clone(),
        None => part.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_taken_out_of_create_table() {
        let statement = parse("create table silver.t (a int, b text) partitioned by (b)").unwrap();
        let Statement::CreateTable(create) = statement else {
            panic!("{statement:?}")
        };
        assert_eq!(create.partition_by, ["b"]);
        assert_eq!(create.columns.len(), 2);
    }

    #[test]
    fn the_limit_of_a_history_is_a_whole_number() {
        let limit = |text: &str| match parse(&format!("describe history silver.t {text}")) {
            Ok(Statement::DescribeHistory { limit, .. }) => Ok(limit),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(limit(""), Ok(None));
        assert_eq!(limit("limit 3"), Ok(Some(3)));
        for wrong in ["1.5", "99999999999999999999999"] {
            assert_eq!(
                limit(&format!("limit {wrong}")),
                Err(format!(
                    "DESCRIBE HISTORY: expected a whole number after LIMIT, found '{wrong}'"
                ))
            );
        }
    }

    #[test]
    fn a_temporary_table_is_in_no_schema_of_the_lake() {
        for text in [
            "create temporary table gold.t (a int)",
            "create temporary table silver.t as select 1 as a",
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains("in no schema of the lake"), "{message}");
        }
        for text in [
            "create temporary table t (a int)",
            "create temp table temporary.t (a int)",
        ] {
            let Ok(Statement::CreateTable(create)) = parse(text) else {
                panic!("{text}")
            };
            assert_eq!(create.name.to_string(), "temporary.t");
        }
    }

    #[test]
    fn files_and_settings_are_refused_with_a_reason() {
        for (text, words) in [
            ("copy (select 1) to '/tmp/x.csv'", "spotify_history"),
            ("set datafusion.runtime.memory_limit = '1G'", "no setting"),
            ("begin", "atomic commit"),
            ("select 1; select 2", "one by one"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(words), "{text}: {message}");
        }
    }
}
