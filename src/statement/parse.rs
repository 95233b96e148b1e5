//! From text to a [`Statement`]: DataFusion's parser, with what its grammar lacks put around it.
//!
//! Three things are done on tokens before parsing, where neither strings nor comments can be mistaken for SQL: `?` becomes
//! `$n`, `t VERSION AS OF 3` becomes the name that the catalogue understands, `PARTITIONED BY (…)` is taken out of
//! CREATE TABLE.

use datafusion::{
    common::DataFusionError,
    sql::{
        parser::{DFParserBuilder, Statement as DfStatement},
        sqlparser::{
            ast::{self, ObjectName, ObjectType},
            dialect::GenericDialect,
            tokenizer::{Token, Tokenizer, Whitespace},
        },
    },
};

use super::model_ddl;
use crate::{
    error::{Error, Result},
    lake::{TableName, versioned},
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
        query: String,
        replace: bool,
        if_not_exists: bool,
    },
    CreateSchema {
        name: String,
        if_not_exists: bool,
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
    DescribeHistory {
        name: TableName,
        limit: Option<usize>,
    },
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

/// Parses exactly one statement.
pub(crate) fn parse(text: &str) -> Result<Statement> {
    let mut tokens = tokenize(text)?;
    number_parameters(&mut tokens);
    rewrite_versions(&mut tokens)?;
    if let Some(statement) = model_ddl::parse(&tokens, text)? {
        return Ok(statement);
    }
    if let Some(statement) = describe_history(&tokens)? {
        return Ok(statement);
    }
    let partition_by = take_partitioned_by(&mut tokens)?;
    classify(parse_one(&render(&tokens))?, partition_by)
}

/// A script as its statements. Comments stay with the statement that they precede.
///
/// # Errors
/// [`Error::Input`] for text that is no SQL at all, such as an unclosed quote.
pub fn split(script: &str) -> Result<Vec<String>> {
    let tokens = tokenize(script)?;
    let statements = tokens.split(|token| *token == Token::SemiColon);
    let meaningful = statements.filter(|tokens| tokens.iter().any(|token| !is_space(token)));
    Ok(meaningful
        .map(|tokens| render(tokens).trim().to_string())
        .collect())
}

/// Tokens as they were written, strings with their escapes.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token>> {
    let tokens = Tokenizer::new(&GenericDialect {}, text)
        .with_unescape(false)
        .tokenize();
    tokens.map_err(|error| Error::Input(format!("SQL: {error}")))
}

pub(super) fn render(tokens: &[Token]) -> String {
    tokens.iter().map(Token::to_string).collect()
}

pub(super) fn is_space(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_))
}

/// Whether a token is this word, unquoted, in any case.
pub(super) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// The indexes of the tokens that are not space.
pub(super) fn meaningful(tokens: &[Token]) -> Vec<usize> {
    (0..tokens.len())
        .filter(|at| !is_space(&tokens[*at]))
        .collect()
}

fn starts_with(tokens: &[Token], at: &[usize], words: &[&str]) -> bool {
    at.len() >= words.len()
        && words
            .iter()
            .zip(at)
            .all(|(word, at)| is_word(&tokens[*at], word))
}

fn number_parameters(tokens: &mut [Token]) {
    let mut next = 1;
    for token in tokens {
        if matches!(token, Token::Placeholder(mark) if mark == "?") {
            *token = Token::Placeholder(format!("${next}"));
            next += 1;
        }
    }
}

fn rewrite_versions(tokens: &mut [Token]) -> Result<()> {
    let at = meaningful(tokens);
    for window in at.windows(5) {
        if !starts_with(tokens, &window[1..], &["version", "as", "of"]) {
            continue;
        }
        let Token::Word(table) = &tokens[window[0]] else {
            continue;
        };
        let version = match &tokens[window[4]] {
            Token::Number(digits, _) => digits.parse().ok(),
            _ => None,
        };
        let Some(version) = version else {
            return Err(Error::Input(format!(
                "VERSION AS OF {}: expected the number of a version, as DESCRIBE HISTORY lists them",
                tokens[window[4]]
            )));
        };
        let name = if table.quote_style.is_some() {
            table.value.clone()
        } else {
            table.value.to_lowercase()
        };
        tokens[window[0]] = Token::make_word(&versioned(&name, version), Some('"'));
        for gone in &window[1..] {
            tokens[*gone] = Token::Whitespace(Whitespace::Space);
        }
    }
    Ok(())
}

fn describe_history(tokens: &[Token]) -> Result<Option<Statement>> {
    let at = meaningful(tokens);
    let is_describe = starts_with(tokens, &at, &["describe", "history"])
        || starts_with(tokens, &at, &["desc", "history"]);
    if !is_describe {
        return Ok(None);
    }
    let rest: Vec<&Token> = at[2..]
        .iter()
        .map(|at| &tokens[*at])
        .filter(|token| **token != Token::SemiColon)
        .collect();
    let limit_at = rest.iter().position(|token| is_word(token, "limit"));
    let name: String = rest[..limit_at.unwrap_or(rest.len())]
        .iter()
        .map(|token| part(token))
        .collect();
    let limit = match limit_at.map(|at| &rest[at + 1..]) {
        None => None,
        Some([Token::Number(digits, _)]) => digits.parse().ok(),
        Some(_) => {
            return Err(Error::Input(
                "DESCRIBE HISTORY: expected a number after LIMIT".into(),
            ));
        }
    };
    if name.is_empty() {
        return Err(Error::Input(
            "DESCRIBE HISTORY: expected a table's name".into(),
        ));
    }
    Ok(Some(Statement::DescribeHistory {
        name: name.parse()?,
        limit,
    }))
}

fn part(token: &Token) -> String {
    match token {
        Token::Word(word) if word.quote_style.is_some() => word.value.clone(),
        other => other.to_string().to_lowercase(),
    }
}

/// Takes `PARTITIONED BY (a, b)` out of a CREATE TABLE.
fn take_partitioned_by(tokens: &mut [Token]) -> Result<Vec<String>> {
    let at = meaningful(tokens);
    let is_create = starts_with(tokens, &at, &["create", "table"])
        || starts_with(tokens, &at, &["create", "or", "replace", "table"]);
    if !is_create {
        return Ok(Vec::new());
    }
    let body = at
        .iter()
        .position(|at| is_word(&tokens[*at], "as"))
        .unwrap_or(at.len());
    let clause = (0..body).find(|from| starts_with(tokens, &at[*from..], &["partitioned", "by"]));
    let Some(from) = clause else {
        return Ok(Vec::new());
    };
    let wrong = || {
        Error::Input("PARTITIONED BY: expected column names in brackets, such as (user_id)".into())
    };
    let open = at
        .get(from + 2)
        .copied()
        .filter(|at| tokens[*at] == Token::LParen)
        .ok_or_else(wrong)?;
    let close = at[from..]
        .iter()
        .copied()
        .find(|at| tokens[*at] == Token::RParen)
        .ok_or_else(wrong)?;
    let columns: Vec<String> = tokens[open + 1..close]
        .split(|token| *token == Token::Comma)
        .map(|column| {
            match column
                .iter()
                .filter(|token| !is_space(token))
                .collect::<Vec<_>>()[..]
            {
                [Token::Word(_)] => Ok(part(
                    column
                        .iter()
                        .find(|token| !is_space(token))
                        .unwrap_or(&Token::EOF),
                )),
                _ => Err(wrong()),
            }
        })
        .collect::<Result<_>>()?;
    for token in &mut tokens[at[from]..=close] {
        *token = Token::Whitespace(Whitespace::Space);
    }
    Ok(columns)
}

pub(super) fn parse_one(text: &str) -> Result<DfStatement> {
    let dialect = GenericDialect {};
    let mut parser = DFParserBuilder::new(text).with_dialect(&dialect).build()?;
    let mut statements = parser.parse_statements().map_err(syntax_error)?;
    match (statements.pop_front(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err(Error::Input("the statement is empty".into())),
        (Some(_), more) => Err(Error::Input(format!(
            "expected one statement, found {}; send them one by one",
            more + 1
        ))),
    }
}

fn syntax_error(error: DataFusionError) -> Error {
    match error.find_root() {
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

fn classify(statement: DfStatement, partition_by: Vec<String>) -> Result<Statement> {
    let sql = match statement {
        DfStatement::Statement(sql) => *sql,
        DfStatement::Explain(_) => return Ok(Statement::Query(Box::new(statement))),
        DfStatement::CreateExternalTable(_) | DfStatement::CopyTo(_) => {
            return Err(Error::Unsupported(
                "reading and writing files by CREATE EXTERNAL TABLE or COPY is not offered; load with \
                 spotify_history('PATH') or tracks_csv('PATH')"
                    .into(),
            ));
        }
        DfStatement::Reset(_) => return Err(no_settings("RESET")),
    };
    let df = |sql| Box::new(DfStatement::Statement(Box::new(sql)));
    Ok(match sql {
        ast::Statement::CreateTable(create) => {
            Statement::CreateTable(Box::new(create_table(create, partition_by)?))
        }
        ast::Statement::CreateView(view) => Statement::CreateView {
            name: table_name(&view.name)?,
            query: view.query.to_string(),
            replace: view.or_replace,
            if_not_exists: view.if_not_exists,
        },
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
        } => drop_statement(object_type, if_exists, &names)?,
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
        ast::Statement::Set(_) => return Err(no_settings("SET")),
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

fn no_settings(word: &str) -> Error {
    Error::Unsupported(format!("{word}: sessions have no settings yet"))
}

fn create_table(create: ast::CreateTable, partition_by: Vec<String>) -> Result<CreateTable> {
    if create.temporary || create.external || create.like.is_some() || create.clone.is_some() {
        return Err(Error::Unsupported(format!(
            "CREATE TABLE {}: temporary, external, LIKE and CLONE tables are not offered",
            create.name
        )));
    }
    Ok(CreateTable {
        name: table_name(&create.name)?,
        replace: create.or_replace,
        if_not_exists: create.if_not_exists,
        partition_by,
        columns: create.columns,
        constraints: create.constraints,
        query: create.query,
    })
}

fn drop_statement(kind: ObjectType, if_exists: bool, names: &[ObjectName]) -> Result<Statement> {
    let [name] = names else {
        return Err(Error::Unsupported("DROP takes one name at a time".into()));
    };
    let kind = match kind {
        ObjectType::Table => Dropped::Table,
        ObjectType::View => Dropped::View,
        other => return Err(Error::Unsupported(format!("DROP {other} is not offered"))),
    };
    Ok(Statement::Drop {
        kind,
        name: table_name(name)?,
        if_exists,
    })
}

/// A SQL name as a table's name: unquoted parts in lower case, the default schema where none is said.
pub(crate) fn table_name(name: &ObjectName) -> Result<TableName> {
    let parts: Vec<String> = name.0.iter().map(name_part).collect();
    match parts.as_slice() {
        [table] => TableName::new(crate::lake::DEFAULT_SCHEMA, table),
        [schema, table] => TableName::new(schema, table),
        [catalog, schema, table] if catalog == crate::lake::CATALOG => {
            TableName::new(schema, table)
        }
        _ => Err(Error::Input(format!(
            "'{name}' is not a table name, expected schema.table"
        ))),
    }
}

fn last_part(name: &ObjectName) -> String {
    name.0.last().map(name_part).unwrap_or_default()
}

fn name_part(part: &ast::ObjectNamePart) -> String {
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
    fn a_script_is_split_outside_strings_and_comments() {
        let script = "-- one; still one\nselect 'a;b''c';\n\n/* two; */ select 2;\n-- nothing\n";
        let statements = split(script).unwrap();
        assert_eq!(
            statements,
            ["-- one; still one\nselect 'a;b''c'", "/* two; */ select 2"]
        );
    }

    #[test]
    fn a_version_becomes_part_of_the_name() {
        let mut tokens = tokenize("select * from silver.Plays version as of 3 p").unwrap();
        rewrite_versions(&mut tokens).unwrap();
        assert!(render(&tokens).starts_with("select * from silver.\"plays@v3\""));
        let mut tokens = tokenize("select * from t version as of x").unwrap();
        assert!(rewrite_versions(&mut tokens).is_err());
    }

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
    fn question_marks_are_numbered_outside_strings() {
        let mut tokens = tokenize("select ?, '?', ?").unwrap();
        number_parameters(&mut tokens);
        assert_eq!(render(&tokens), "select $1, '?', $2");
    }

    #[test]
    fn files_and_settings_are_refused_with_a_reason() {
        for (text, words) in [
            ("copy (select 1) to '/tmp/x.csv'", "spotify_history"),
            ("set datafusion.runtime.memory_limit = '1G'", "settings"),
            ("begin", "atomic commit"),
            ("select 1; select 2", "one by one"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(words), "{text}: {message}");
        }
    }
}
