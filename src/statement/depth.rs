//! How deep a statement would nest, from its tokens alone: before anything recurses into it.
//!
//! The parser refuses brackets in brackets beyond 50. What it does not see are chains: `a or b or c …` becomes a tree as
//! deep as the chain is long, and so do `union`, `join` and one query named in the next.

use datafusion::sql::sqlparser::{keywords::Keyword, tokenizer::Token};

use super::tokens::tokenize;
use crate::{
    error::{Error, Result},
    limits::{Limits, is_within},
};

/// The longest chains of a statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Depth {
    /// Operators in one expression.
    operators: u64,
    /// Queries and joins in the whole statement.
    queries: u64,
    /// Words with nothing between them: no statement has many, but the parser recurses into some.
    words: u64,
}

/// More than any statement has that can be read.
const MOST_WORDS: u64 = 200;

impl Limits {
    /// Refuses a statement whose text is too long, or that would nest too deep.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn check_statement(&self, sql: &str) -> Result<()> {
        self.check_text(sql)?;
        let depth = Depth::of(sql);
        if depth.words > MOST_WORDS {
            return Err(Error::Input(format!(
                "SQL: {} words follow each other, which is no statement",
                depth.words
            )));
        }
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
        Ok(())
    }
}

impl Depth {
    fn of(sql: &str) -> Self {
        // What cannot be read is told by the parser.
        let tokens = tokenize(sql).unwrap_or_default();
        let mut depth = Self::default();
        // Operators of each expression that is open, the innermost last.
        let mut open = vec![0];
        let mut words = 0;
        for token in &tokens {
            match token {
                Token::Word(_) => {
                    words += 1;
                    depth.words = depth.words.max(words);
                }
                Token::Whitespace(_) => {}
                _ => words = 0,
            }
            match token {
                Token::LParen => open.push(0),
                Token::RParen if open.len() > 1 => {
                    open.pop();
                }
                Token::Comma | Token::SemiColon => restart(&mut open),
                Token::Word(word) if ends_expression(word.keyword) => {
                    restart(&mut open);
                    if starts_query(word.keyword) {
                        depth.queries += 1;
                    }
                }
                token if is_operator(token) => {
                    if let Some(operators) = open.last_mut() {
                        *operators += 1;
                        depth.operators = depth.operators.max(*operators);
                    }
                }
                _ => {}
            }
        }
        depth
    }
}

fn restart(open: &mut [u64]) {
    if let Some(operators) = open.last_mut() {
        *operators = 0;
    }
}

fn starts_query(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::SELECT | Keyword::JOIN | Keyword::VALUES)
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
        | Token::RBracket
        | Token::RBrace
        | Token::LBrace
        | Token::Backslash
        | Token::EOF => false,
        other => !is_string(other),
    }
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
            let depth = Depth::of(sql);
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
}
