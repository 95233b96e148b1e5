//! A view means the same in every session: its text names the schema of each table that it reads, unless that is the
//! default one.

use std::{borrow::Cow, collections::BTreeSet, ops::ControlFlow};

use datafusion::{
    common::TableReference,
    sql::{
        parser::Statement as DfStatement,
        resolve::resolve_table_references,
        sqlparser::ast::{
            self, Ident, ObjectName, ObjectNamePart, TableAlias, TableFactor, VisitMut, VisitorMut,
        },
    },
};

use super::parse::{name_part, parse_view};
use crate::{
    error::{Error, Result},
    lake::{DEFAULT_SCHEMA, TableName},
};

/// A view's statement and its text, with `schema` before every table that names none.
pub(super) fn written_out<'a>(
    name: &TableName,
    definition: &DfStatement,
    text: &'a str,
    schema: &str,
) -> Result<(DfStatement, Cow<'a, str>)> {
    if schema == DEFAULT_SCHEMA {
        return Ok((definition.clone(), text.into()));
    }
    let refused = |what: &str| {
        Error::Input(format!(
            "CREATE VIEW {name}: {what}; write '{schema}.' before the tables that it reads"
        ))
    };
    let (tables, with) = resolve_table_references(definition, true)?;
    if let Some(both) = with.iter().find(|with| tables.contains(with)) {
        return Err(refused(&format!("'{both}' is a table and a WITH query")));
    }
    let mut names = Names {
        schema,
        with: with.iter().map(TableReference::table).collect(),
        are_missing: false,
    };
    let mut written = definition.clone();
    if let DfStatement::Statement(statement) = &mut written {
        let _ = statement.visit(&mut names);
        if let (true, ast::Statement::CreateView(view)) = (names.are_missing, statement.as_mut()) {
            names.qualify(&mut view.name);
        }
    }
    if !names.are_missing {
        return Ok((written, text.into()));
    }
    let text = written.to_string();
    match parse_view(&text) {
        Ok(read) if read == written => Ok((written, text.into())),
        _ => Err(refused("not all that it says can be written anew")),
    }
}

struct Names<'a> {
    schema: &'a str,
    /// WITH queries, whose names look like tables'.
    with: BTreeSet<&'a str>,
    are_missing: bool,
}

impl Names<'_> {
    fn qualify(&self, name: &mut ObjectName) {
        if name.0.len() == 1 {
            let schema = Ident::with_quote('"', self.schema);
            name.0.insert(0, ObjectNamePart::Identifier(schema));
        }
    }
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
            && let [ObjectNamePart::Identifier(only)] = name.0.as_slice()
            && !self.with.contains(name_part(&name.0[0]).as_str())
        {
            // Columns are still found under the table's bare name.
            alias.get_or_insert_with(|| TableAlias {
                explicit: true,
                name: only.clone(),
                columns: Vec::new(),
                at: None,
            });
            self.qualify(name);
            self.are_missing = true;
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_in(schema: &str, text: &str) -> Result<String> {
        let name = TableName::new("silver", "vv").unwrap();
        let definition = parse_view(text).unwrap();
        let (_, text) = written_out(&name, &definition, text, schema)?;
        Ok(text.into_owned())
    }

    #[test]
    fn tables_get_the_schema_of_the_session() {
        let bare = "create view vv as select pp.a from pp where a in (select a from Other o)";
        assert_eq!(text_in("gold", bare).unwrap(), bare);
        assert_eq!(
            text_in("silver", bare).unwrap(),
            "CREATE VIEW \"silver\".vv AS SELECT pp.a FROM \"silver\".pp AS pp WHERE a IN \
             (SELECT a FROM \"silver\".Other o)"
        );
        let whole = "create view silver.vv as with q as (select 1 as a) select * from gold.pp, q, recommend('coach') r";
        assert_eq!(text_in("silver", whole).unwrap(), whole);
    }

    #[test]
    fn a_name_of_two_meanings_is_refused() {
        let text = "create view vv as with pp as (select * from pp) select * from pp";
        let message = text_in("silver", text).unwrap_err().to_string();
        assert_eq!(
            message,
            "CREATE VIEW silver.vv: 'pp' is a table and a WITH query; write 'silver.' before the tables that it reads"
        );
    }
}
