//! How large a statement is once its WITH queries are written out wherever they are named, as planning does: twenty
//! queries that each name the one before twice are a million.

use std::{
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
    ptr,
};

use datafusion::sql::sqlparser::ast::{self, Ident, Query, TableFactor, Visit, Visitor};

use crate::error::{Error, Result};

/// Planning takes a second and a hundred megabytes for ten thousand.
const MOST_TABLES: u64 = 10_000;

/// Refuses a statement that is too large to be planned.
pub(super) fn check(statement: &ast::Statement) -> Result<()> {
    let tables = tables(statement);
    if tables <= MOST_TABLES {
        return Ok(());
    }
    Err(Error::Exhausted(format!(
        "the statement reads {tables} times from tables once its WITH queries are written out, more than {MOST_TABLES}; \
         keep rows in a table and go on from there"
    )))
}

fn tables(statement: &ast::Statement) -> u64 {
    let mut counted = Counted {
        open: vec![Frame::default()],
    };
    let _ = statement.visit(&mut counted);
    counted.open.first().map_or(0, |frame| frame.tables)
}

/// The queries that are being visited, the innermost last.
struct Counted {
    open: Vec<Frame>,
}

#[derive(Default)]
struct Frame {
    tables: u64,
    /// Its WITH queries that are yet to be visited: where they are, and their names.
    to_come: VecDeque<(*const Query, String)>,
    /// What each of the others comes to.
    with: HashMap<String, u64>,
}

impl Counted {
    /// What a name of one part comes to, if it is a WITH query's.
    fn known(&self, name: &str) -> Option<u64> {
        let mut frames = self.open.iter().rev();
        frames.find_map(|frame| frame.with.get(name)).copied()
    }

    fn add(&mut self, tables: u64) {
        if let Some(frame) = self.open.last_mut() {
            frame.tables = frame.tables.saturating_add(tables);
        }
    }
}

impl Visitor for Counted {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        let to_come = with.map(|cte| (ptr::from_ref(cte.query.as_ref()), written(&cte.alias.name)));
        self.open.push(Frame {
            to_come: to_come.collect(),
            ..Frame::default()
        });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        // A query that reads no table is planned all the same.
        let tables = self.open.pop().map_or(0, |frame| frame.tables).max(1);
        let around = self.open.last_mut();
        let with = around.and_then(|frame| {
            let is_with = |(place, _): &mut (*const Query, String)| ptr::eq(*place, query);
            let (_, name) = frame.to_come.pop_front_if(is_with)?;
            frame.with.insert(name, tables);
            Some(())
        });
        if with.is_none() {
            self.add(tables);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor {
            let known = match name.0.as_slice() {
                [part] => part.as_ident().and_then(|name| self.known(&written(name))),
                _ => None,
            };
            self.add(known.unwrap_or(1));
        }
        ControlFlow::Continue(())
    }
}

/// A name as it is looked up.
fn written(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse::parse_one;
    use datafusion::sql::parser::Statement;

    fn count(sql: &str) -> u64 {
        match parse_one(sql).unwrap() {
            Statement::Statement(statement) => tables(&statement),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn with_queries_count_where_they_are_named() {
        for (sql, tables) in [
            ("select 1", 1),
            ("select * from a, b where exists (select 1 from c)", 3),
            (
                "with q as (select * from a, b) select * from q x, Q y, c",
                5,
            ),
            (
                "with q as (select * from a), r as (select * from q, q) select * from r, r",
                4,
            ),
            (
                "with q as (select * from a) select * from (with q as (select * from b, b) select * from q) x, q",
                3,
            ),
            (
                "with recursive q as (select 1 from a union all select 1 from q) select * from q",
                2,
            ),
            (
                "insert into t with q as (select * from a, a) select * from q, q",
                4,
            ),
        ] {
            assert_eq!(count(sql), tables, "{sql}");
        }
    }

    #[test]
    fn what_doubles_at_each_step_is_refused() {
        let steps = (1..40).map(|n| format!("q{n} as (select * from q{m} a, q{m} b)", m = n - 1));
        let steps: Vec<String> = steps.collect();
        let sql = format!(
            "with q0 as (select 1), {} select * from q39",
            steps.join(", ")
        );
        let refused = parse_one(&sql).unwrap_err().to_string();
        assert!(refused.contains("549755813888 times"), "{refused}");
    }
}
