//! A walk over the tokens of a statement that no SQL grammar has.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::tokens::{is_word, meaningful, part, render};
use crate::{
    error::{Error, Result},
    lake::TableName,
};

/// The tokens that are not space, and how far the walk is.
pub(super) struct Words<'a> {
    tokens: &'a [Token],
    at: Vec<usize>,
    next: usize,
}

impl<'a> Words<'a> {
    /// At the first of the tokens.
    pub(super) fn new(tokens: &'a [Token]) -> Self {
        Self {
            tokens,
            at: meaningful(tokens),
            next: 0,
        }
    }

    pub(super) fn peek(&self) -> Option<&'a Token> {
        self.at.get(self.next).map(|at| &self.tokens[*at])
    }

    pub(super) fn advance(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.next += 1;
        token
    }

    /// Steps over these words, if all of them are next.
    pub(super) fn take(&mut self, words: &[&str]) -> bool {
        let ahead = self.at[self.next.min(self.at.len())..]
            .iter()
            .map(|at| &self.tokens[*at]);
        let found = words.len() <= ahead.len()
            && ahead.zip(words).all(|(token, word)| is_word(token, word));
        if found {
            self.next += words.len();
        }
        found
    }

    /// Steps over these words.
    pub(super) fn expect(&mut self, statement: &str, words: &[&str]) -> Result<()> {
        if self.take(words) {
            return Ok(());
        }
        Err(self.unexpected(statement, &words.join(" ").to_uppercase()))
    }

    /// One part of a name: in lower case unless quoted.
    pub(super) fn identifier(&mut self, statement: &str, what: &str) -> Result<String> {
        match self.peek() {
            Some(token @ Token::Word(_)) => {
                self.next += 1;
                Ok(part(token))
            }
            _ => Err(self.unexpected(statement, what)),
        }
    }

    /// The parts of a name with dots between them.
    pub(super) fn name_parts(&mut self, statement: &str, what: &str) -> Result<Vec<String>> {
        let mut parts = vec![self.identifier(statement, what)?];
        while self.peek() == Some(&Token::Period) {
            self.next += 1;
            parts.push(self.identifier(statement, what)?);
        }
        Ok(parts)
    }

    /// A table's name.
    pub(super) fn table(&mut self, statement: &str, schema: &str) -> Result<TableName> {
        let parts = self.name_parts(statement, "a table's name")?;
        TableName::of_parts(&parts, schema)
    }

    /// What stands between a bracket that opens here and the one that closes it, as it was written.
    pub(super) fn in_brackets(&mut self, statement: &str) -> Result<String> {
        if self.peek() != Some(&Token::LParen) {
            return Err(self.unexpected(statement, "("));
        }
        let open = self.at[self.next];
        let mut depth = 0;
        while let Some(token) = self.peek() {
            match token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            let at = self.at[self.next];
            self.next += 1;
            if depth == 0 {
                return Ok(render(&self.tokens[open + 1..at]).trim().to_string());
            }
        }
        Err(self.unexpected(statement, ")"))
    }

    /// All that is left, as it was written.
    pub(super) fn rest(&self) -> String {
        self.at
            .get(self.next)
            .map(|at| render(&self.tokens[*at..]))
            .unwrap_or_default()
    }

    pub(super) fn end(&mut self, statement: &str) -> Result<()> {
        match self.peek() {
            None | Some(Token::SemiColon) => Ok(()),
            Some(_) => Err(self.unexpected(statement, "the end")),
        }
    }

    /// The error for what is next.
    pub(super) fn unexpected(&self, statement: &str, expected: &str) -> Error {
        let found = shown(self.peek());
        Error::Input(format!("{statement}: expected {expected}, found {found}"))
    }
}

/// A token in a message.
pub(super) fn shown(token: Option<&Token>) -> String {
    token.map_or_else(|| "the end".to_string(), |token| format!("'{token}'"))
}
