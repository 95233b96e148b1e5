//! `CANCEL QUERY 'id'`: ends a statement that runs, for its own user or an admin.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::words::Words;
use crate::{engine::Engine, error::Result};

const STATEMENT: &str = "CANCEL QUERY";

/// The id of the statement to be ended, if this is such a statement.
pub(super) fn parse(tokens: &[Token]) -> Result<Option<String>> {
    let words = &mut Words::new(tokens);
    if !words.take(&["cancel", "query"]) {
        return Ok(None);
    }
    let Some(Token::SingleQuotedString(id)) = words.peek() else {
        return Err(words.unexpected(STATEMENT, "the id of a statement in quotes"));
    };
    words.advance();
    words.end(STATEMENT)?;
    Ok(Some(id.clone()))
}

impl Engine {
    pub(super) fn cancel_query(&self, id: &str) -> Result<()> {
        self.queries().cancel(id, self.caller())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::tokens::tokenize;

    #[test]
    fn a_statement_is_named_by_its_id() {
        let id = |sql: &str| parse(&tokenize(sql).unwrap());
        assert_eq!(id("cancel query '0190';").unwrap().as_deref(), Some("0190"));
        assert_eq!(id("select 1").unwrap(), None);
        for wrong in ["cancel query", "cancel query 5", "cancel query 'a' 'b'"] {
            let message = id(wrong).unwrap_err().to_string();
            assert!(message.starts_with("CANCEL QUERY: expected"), "{message}");
        }
    }
}
