//! How deep a statement would nest, from its tokens alone: before anything recurses into it.
//!
//! The parser refuses expressions in expressions beyond 50, and nothing else: types and patterns nest as deep as they are
//! written. Nor does it see chains: `a or b or c …` becomes a tree as deep as the chain is long, and so do `union`, `join`,
//! `pivot` and one query named in the next.

use datafusion::sql::sqlparser::{keywords::Keyword, tokenizer::Token};

use super::tokens::tokenize;
use crate::{
    error::{Error, Result},
    limits::{Limits, is_within},
};

/// More than any statement has that can be read.
const MOST_WORDS: u64 = 200;
/// Twice what the parser allows to expressions.
const MOST_OPEN: u64 = 100;
/// What the stacks of the threads that parse and plan have room for, several times over.
const MOST_LINKS: u64 = 10_000;
const MOST_QUERIES: u64 = 500;

/// The longest chains of a statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Depth {
    /// Operators in one expression.
    operators: u64,
    /// Whatever could make an expression deeper, where words that end one are taken for names.
    links: u64,
    /// Queries, joins and what else is put behind a table, in the whole statement.
    queries: u64,
    /// Words with nothing between them: no statement has many, but the parser recurses into some.
    words: u64,
    /// Brackets that are open at once, or `[]` that follow each other: types as deep as that are no use to clients.
    open: u64,
}

impl Limits {
    /// Refuses a statement whose text is too long, or that would nest too deep.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn check_statement(&self, sql: &str) -> Result<()> {
        self.check_text(sql)?;
        // What cannot be read is told by the parser.
        let depth = Depth::of(&tokenize(sql).unwrap_or_default());
        if !is_within(depth.operators, self.operators) {
            return Err(Error::Exhausted(format!(
                "an expression of the statement chains {} operators, more than the {} that one may have \
                 (--max-operators); IN (…) or a join says the same",
                depth.operators, self.operators
            )));
        }
        if !is_within(depth.queries, self.queries) {
            return Err(Error::Exhausted(format!(
                "the statement is made of {} queries and joins, more than the {} that one may have \
                 (--max-queries); keep rows in a table and go on from there",
                depth.queries, self.queries
            )));
        }
        depth.check()
    }
}

/// Refuses a statement that is too deep for any thread, whatever its limits.
pub(super) fn check(tokens: &[Token]) -> Result<()> {
    Depth::of(tokens).check()
}

impl Depth {
    fn check(&self) -> Result<()> {
        if self.words > MOST_WORDS {
            return Err(Error::Input(format!(
                "SQL: {} words follow each other, which is no statement",
                self.words
            )));
        }
        let too_many = [
            (self.open, MOST_OPEN, "brackets in or behind each other"),
            (
                self.links,
                MOST_LINKS,
                "operators and dots in one expression",
            ),
            (self.queries, MOST_QUERIES, "queries and joins"),
        ];
        match too_many.into_iter().find(|(found, most, _)| found > most) {
            Some((found, most, what)) => Err(Error::Exhausted(format!(
                "the statement has {found} {what}, more than the {most} that can be worked on; write it in steps"
            ))),
            None => Ok(()),
        }
    }

    fn of(tokens: &[Token]) -> Self {
        let mut depth = Self::default();
        let mut brackets = vec![Bracket::default()];
        let (mut words, mut set_operations, mut open, mut dimensions) = (0, 0, 0, 0);
        let mut before = &Token::EOF;
        for token in tokens {
            if matches!(token, Token::Whitespace(_)) {
                continue;
            }
            // A name can be any word after a dot.
            let keyword = match token {
                Token::Word(word) if *before != Token::Period => word.keyword,
                _ => Keyword::NoKeyword,
            };
            words = match token {
                Token::Word(_) => words + 1,
                _ => 0,
            };
            dimensions = match token {
                Token::LBracket if *before == Token::RBracket => dimensions + 1,
                Token::LBracket => 1,
                _ => dimensions,
            };
            depth.open = depth.open.max(dimensions);
            let is_type = *token == Token::Lt && has_type_brackets(before);
            before = token;
            depth.words = depth.words.max(words);
            set_operations += u64::from(is_set_operation(keyword));
            depth.queries += u64::from(starts_query(keyword) || is_behind_table(token, keyword));
            let is_inside = brackets.len() > 1;
            let Some(bracket) = brackets.last_mut() else {
                break;
            };
            if is_type {
                bracket.types += 1;
                open += 1;
            }
            if is_operator(token) {
                bracket.operators.link();
            }
            if is_operator(token) || is_link(token, keyword) {
                bracket.links.link();
            }
            depth.operators = depth.operators.max(bracket.operators.now);
            depth.links = depth.links.max(bracket.links.now);
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => {
                    brackets.push(Bracket::default());
                    open += 1;
                }
                Token::RParen | Token::RBracket | Token::RBrace if is_inside => {
                    if let Some(closed) = brackets.pop() {
                        open -= 1 + closed.types;
                        if let Some(around) = brackets.last_mut() {
                            around.operators.surround(&closed.operators);
                            around.links.surround(&closed.links);
                        }
                    }
                }
                Token::Gt | Token::ShiftRight => {
                    let closed = if *token == Token::Gt { 1 } else { 2 };
                    let closed = bracket.types.min(closed);
                    bracket.types -= closed;
                    open -= closed;
                }
                Token::Comma => {
                    bracket.operators.restart();
                    if bracket.types == 0 {
                        bracket.links.restart();
                    }
                }
                Token::SemiColon => {
                    bracket.operators.restart();
                    bracket.links.restart();
                }
                _ if ends_expression(keyword) => bracket.operators.restart(),
                _ => {}
            }
            depth.open = depth.open.max(open);
        }
        depth.queries = depth.queries.max(set_operations);
        depth
    }
}

/// What is written in a pair of brackets, as far as it has been read.
#[derive(Default)]
struct Bracket {
    operators: Chain,
    links: Chain,
    /// `<` of types that are open in it.
    types: u64,
}

/// How deep an expression is, each link being put around all before it.
#[derive(Default)]
struct Chain {
    now: u64,
    /// The deepest of those in the same brackets.
    most: u64,
}

impl Chain {
    fn link(&mut self) {
        self.now += 1;
    }

    fn restart(&mut self) {
        self.most = self.most.max(self.now);
        self.now = 0;
    }

    /// Goes on after brackets in which this was.
    fn surround(&mut self, inner: &Self) {
        self.now = self.now.max(inner.now).max(inner.most);
    }
}

fn starts_query(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::SELECT | Keyword::JOIN | Keyword::VALUES)
}

/// Whether it is put around what comes before, and that is no expression; or before a whole statement.
fn is_behind_table(token: &Token, keyword: Keyword) -> bool {
    *token == Token::VerticalBarRightAngleBracket
        || matches!(
            keyword,
            Keyword::PIVOT
                | Keyword::UNPIVOT
                | Keyword::MATCH_RECOGNIZE
                | Keyword::APPLY
                | Keyword::STRAIGHT_JOIN
                | Keyword::EXPLAIN
        )
}

fn is_set_operation(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::MINUS
    )
}

fn has_type_brackets(token: &Token) -> bool {
    matches!(token, Token::Word(word) if matches!(word.keyword, Keyword::ARRAY | Keyword::STRUCT | Keyword::MAP))
}

fn ends_expression(keyword: Keyword) -> bool {
    starts_query(keyword)
        || matches!(
            keyword,
            Keyword::FROM
                | Keyword::WHERE
                | Keyword::GROUP
                | Keyword::HAVING
                | Keyword::ORDER
                | Keyword::ON
                | Keyword::SET
        )
}

/// Whether a token joins two expressions, or makes one of another.
fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::AT
                | Keyword::COLLATE
                | Keyword::WHEN
        ),
        Token::Number(..)
        | Token::Placeholder(_)
        | Token::Whitespace(_)
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::Comma
        | Token::SemiColon
        | Token::RBracket
        | Token::RBrace
        | Token::LBrace
        | Token::Backslash
        | Token::EOF => false,
        other => !is_string(other),
    }
}

/// Whether a token that is no operator can make an expression of another.
fn is_link(token: &Token, keyword: Keyword) -> bool {
    matches!(
        token,
        Token::Period | Token::LBrace | Token::Backslash | Token::Placeholder(_)
    ) || matches!(
        keyword,
        Keyword::IN
            | Keyword::BETWEEN
            | Keyword::OVERLAPS
            | Keyword::RLIKE
            | Keyword::REGEXP
            | Keyword::MATCH
            | Keyword::SIMILAR
            | Keyword::MEMBER
            | Keyword::OPERATOR
            | Keyword::XOR
            | Keyword::DIV
            | Keyword::NOTNULL
    )
}

fn is_string(token: &Token) -> bool {
    token.to_string().contains(['\'', '"', '$'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_count_and_lists_do_not() {
        for (sql, operators, queries) in [
            ("select a + b * c, a = 1 or b = 2 from t", 3, 1),
            ("select 1 where a in (1, 2, 3) and b", 1, 1),
            ("select (a + b) + (c + d + e)", 2, 1),
            ("select 'a + b + c', \"d + e\", $1", 0, 1),
            ("select 1 union all select 2 union select 3", 0, 3),
            ("select * from a join b on a.x = b.x join c on true", 1, 3),
            ("select 'not closed", 0, 0),
        ] {
            let depth = Depth::of(&tokenize(sql).unwrap_or_default());
            assert_eq!(
                (depth.operators, depth.queries),
                (operators, queries),
                "{sql}"
            );
        }
    }

    #[test]
    fn a_chain_that_is_too_long_is_named() {
        let limits = Limits::default();
        let sql = format!("select 1 where {}", vec!["a = 1"; 3000].join(" or "));
        let message = limits.check_statement(&sql).unwrap_err().to_string();
        assert!(
            message.contains("chains 5999 operators") && message.contains("--max-operators"),
            "{message}"
        );
        let sql = vec!["select 1"; 3000].join(" union all ");
        let message = limits.check_statement(&sql).unwrap_err().to_string();
        assert!(
            message.contains("3000 queries") && message.contains("--max-queries"),
            "{message}"
        );
    }

    #[test]
    fn words_without_anything_between_them_are_no_statement() {
        let limits = Limits::default();
        let sql = format!("select {} '1 day'", "interval ".repeat(300));
        let message = limits.check_statement(&sql).unwrap_err().to_string();
        assert_eq!(
            message,
            "SQL: 301 words follow each other, which is no statement"
        );
        assert!(
            limits
                .check_statement("select a from b where c is not null order by d")
                .is_ok()
        );
    }

    #[test]
    fn whatever_is_put_around_what_comes_before_is_counted() {
        let limits = Limits {
            operators: 0,
            queries: 0,
            ..Limits::default()
        };
        for (before, link, after) in [
            ("create table t (a ", "Nullable(", ")"),
            ("create table t (a ", "array<", ">"),
            ("create table t (a ", "struct<a int, b ", ">"),
            ("select cast(1 as int", "[]", ")"),
            ("select * from t match_recognize (pattern (", "(", "))"),
            ("select * from t match_recognize (pattern (a", "{1,2}", "))"),
            ("select * from a", " unpivot(x for y in (z))", ""),
            ("from a", " union all from b", ""),
            ("from a", " |> where true", ""),
            ("select 1", " is distinct from 1", ""),
            ("select 1", " in (1)", ""),
            ("select 'a'", " similar to 'a'", ""),
            ("select 1", " + a.from", ""),
            ("select 1", " + set", ""),
            ("select 1", " + struct<a int, b int>(1, 2)", ""),
            ("select 1", "::bigint", ""),
            ("drop model ml", ".ml", ""),
            ("", "explain format 'tree' ", "select 1"),
            ("", "explain ", "select 1"),
        ] {
            let sql = |links: usize| format!("{before}{}{after}", link.repeat(links));
            let refused = limits.check_statement(&sql(100_000));
            assert!(refused.is_err(), "{link}");
            let few = limits.check_statement(&sql(40));
            assert!(few.is_ok(), "{link}: {few:?}");
        }
    }

    #[test]
    fn brackets_are_as_deep_as_what_is_in_them() {
        let chain = "1 + ".repeat(10);
        let nested = (0..10).fold("1".to_string(), |inner, _| format!("({inner}) + {chain}1"));
        let tokens = tokenize(&format!("select {nested}, f(a < 1, b < 2)")).unwrap();
        let depth = Depth::of(&tokens);
        assert_eq!((depth.operators, depth.open), (110, 10));
    }

    #[test]
    fn lists_and_wide_statements_are_not_deep() {
        let limits = Limits::default();
        let columns: Vec<String> = (0..3000)
            .map(|n| format!("a{n} struct<x int, y array<array<int>>>"))
            .collect();
        let rows = vec!["(1, array[1, 2], 'a' || 'b', t.x.y)"; 50_000].join(", ");
        for sql in [
            format!("create table t ({})", columns.join(", ")),
            format!("insert into t values {rows}"),
        ] {
            let checked = limits.check_statement(&sql);
            assert!(checked.is_ok(), "{checked:?}");
        }
    }
}
