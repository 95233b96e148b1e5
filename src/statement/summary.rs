//! What may be kept of a statement: its kind, the tables that it names, and its text without values.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{
    References,
    tokens::{is_space, part, split, tokenize},
};
use crate::engine::Engine;

/// Longer texts are cut: what is kept of a statement is for people.
const LONGEST_TEXT: usize = 4000;
const CUT: &str = " …";
/// What stands for a value.
const VALUE: &str = "?";
/// What words end in after an apostrophe.
const SHORT_FORMS: [&str; 5] = ["t", "s", "re", "ll", "ve"];
/// What values follow without quotes.
const BEFORE_VALUES: [&str; 4] = [
    "broken by the row",
    "broken by these rows",
    "Preview of invalid data:",
    "regex parse error:",
];

/// A statement as logs keep it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Its first words, such as `select` or `create table`.
    pub kind: String,
    /// Its text with `?` for each value, and without comments.
    pub text: String,
}

/// The tables, views and models that a statement names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// To read them.
    pub reads: BTreeSet<String>,
    /// To make, change or take them away.
    pub writes: BTreeSet<String>,
}

impl Engine {
    /// The tables that a statement of this session names, or those of a script. Recurses as deep as the statement nests.
    #[must_use]
    pub fn names_in(&self, sql: &str) -> Names {
        let mut names = Names::default();
        for statement in split(sql).unwrap_or_default() {
            let parsed = self.parse(&statement);
            let found = parsed.and_then(|statement| self.references(&statement));
            names.add(&found.unwrap_or_default());
        }
        names
    }
}

impl Names {
    fn add(&mut self, found: &References) {
        self.reads
            .extend(found.reads.iter().map(ToString::to_string));
        self.writes
            .extend(found.writes.iter().map(ToString::to_string));
    }
}

impl Summary {
    /// Reads what it can: of a text that is no SQL nothing is kept.
    #[must_use]
    pub fn of(sql: &str) -> Self {
        let Ok(tokens) = tokenize(sql) else {
            return Self {
                kind: "unreadable".into(),
                text: VALUE.into(),
            };
        };
        let tokens: Vec<Token> = tokens
            .into_iter()
            .filter(|token| !is_space(token))
            .collect();
        Self {
            kind: kind(&tokens),
            text: text(&tokens),
        }
    }

    /// What a bulk load is kept as.
    #[must_use]
    pub fn of_ingest(table: &str) -> Self {
        Self {
            kind: "ingest".into(),
            text: format!("INGEST INTO {table}"),
        }
    }

    /// What a plan without text is kept as.
    #[must_use]
    pub fn of_substrait() -> Self {
        Self {
            kind: "substrait".into(),
            text: "a Substrait plan".into(),
        }
    }
}

/// A message without what is quoted in it and without numbers: it may repeat values of a statement, or of rows. As a
/// value may hold quotes, what is between the first and the last is left out.
#[must_use]
pub fn without_values(message: &str) -> String {
    let fixed = BEFORE_VALUES.iter().filter_map(|words| {
        let start = message.find(words)?;
        Some(start + words.len())
    });
    let fixed = fixed.min().unwrap_or(message.len());
    let mut kept = String::with_capacity(message.len());
    let mut rest = &message[..fixed];
    while let Some(first) = rest.chars().next() {
        let is_quote = matches!(first, '\'' | '"') || rest.starts_with("$$");
        let length = if is_quote && !is_apostrophe(&kept, rest) {
            kept.push_str(VALUE);
            let end = rest.rfind(first).filter(|end| *end > 0);
            end.map_or(rest.len(), |end| end + first.len_utf8())
        } else if first.is_ascii_digit() {
            kept.push_str(VALUE);
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
            end.unwrap_or(rest.len())
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            let end = end.unwrap_or(rest.len());
            kept.push_str(&rest[..end]);
            end
        } else {
            kept.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    if fixed < message.len() {
        kept.push(' ');
        kept.push_str(VALUE);
    }
    shortened(kept)
}

/// Whether the text begins with the apostrophe of a word such as `doesn't`, and not with that of a value such as `N't'`.
fn is_apostrophe(before: &str, text: &str) -> bool {
    let before = before.chars().rev().take_while(|c| c.is_alphabetic());
    let after = text.strip_prefix('\'').unwrap_or_default();
    let end = after.find(|c: char| !c.is_alphanumeric());
    before.count() > 1 && SHORT_FORMS.contains(&&after[..end.unwrap_or(after.len())])
}

fn kind(tokens: &[Token]) -> String {
    let mut words = tokens
        .iter()
        .filter(|token| **token != Token::LParen)
        .map_while(|token| match token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
            _ => None,
        })
        .filter(|word| !matches!(word.as_str(), "or" | "replace" | "temporary"));
    let first = words.next().unwrap_or_default();
    match first.as_str() {
        "with" | "values" | "table" => "select".into(),
        "create" | "drop" | "alter" | "show" | "describe" | "desc" | "cancel" => {
            let second = match words.next() {
                Some(word) if word == "row" => "row policy".into(),
                Some(word) => word,
                None => return first,
            };
            format!("{first} {second}")
        }
        _ => first,
    }
}

fn text(tokens: &[Token]) -> String {
    let mut text = String::new();
    let mut before: Option<&Token> = None;
    for token in tokens {
        if before.is_some_and(|before| is_spaced(before, token)) {
            text.push(' ');
        }
        if is_value(token) {
            // A list of values says no more than its first.
            if text.ends_with("?, ") || text.ends_with("…, ") {
                text.truncate(text.len() - ", ".len());
                if !text.ends_with('…') {
                    text.push_str(", …");
                }
            } else {
                text.push_str(VALUE);
            }
        } else {
            text.push_str(&token.to_string());
        }
        before = Some(token);
        if text.len() > LONGEST_TEXT {
            break;
        }
    }
    shortened(text)
}

fn is_spaced(before: &Token, token: &Token) -> bool {
    let closes = matches!(
        token,
        Token::Comma | Token::RParen | Token::Period | Token::SemiColon | Token::DoubleColon
    );
    let opens = matches!(before, Token::LParen | Token::Period | Token::DoubleColon);
    let is_call = *token == Token::LParen
        && matches!(before, Token::Word(word) if word.keyword == datafusion::sql::sqlparser::keywords::Keyword::NoKeyword);
    !closes && !opens && !is_call
}

fn is_value(token: &Token) -> bool {
    match token {
        Token::Number(..) => true,
        Token::Word(_) | Token::Placeholder(_) | Token::Whitespace(_) => false,
        // All kinds of strings, and nothing else, are written in quotes or dollars.
        other => part(other).contains(['\'', '"', '$']),
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::references;

    #[test]
    fn values_and_comments_are_left_out() {
        for (sql, kept) in [
            (
                "select  a, 'it''s', 1.5e3 -- mine\nfrom gold.t where b = $1 and c in (1, 2, 3, 4)",
                "select a, ?, … from gold.t where b = $1 and c in (?, …)",
            ),
            (
                "create user ada password 'secret' /* 'secret' */",
                "create user ada password ?",
            ),
            (
                "select e'a\\nb', x'00ff', $$secret$$, N'n', u&'u' from \"T\"",
                "select ?, … from \"T\"",
            ),
            (
                "select count(*) from t where -5 < x",
                "select count (*) from t where - ? < x",
            ),
            ("select 'secret", "?"),
        ] {
            assert_eq!(Summary::of(sql).text, kept, "{sql}");
        }
    }

    #[test]
    fn a_statement_is_known_by_its_first_words_and_its_tables() {
        for (sql, kind) in [
            ("with a as (select 1) select * from a", "select"),
            ("(select 1)", "select"),
            ("CREATE OR REPLACE TABLE gold.t as select 1", "create table"),
            ("create row policy p on t using (true)", "create row policy"),
            ("drop view if exists v", "drop view"),
            ("grant select on t to ada", "grant"),
            ("cancel query 'x'", "cancel query"),
            ("", ""),
        ] {
            assert_eq!(Summary::of(sql).kind, kind, "{sql}");
        }
        let mut names = Names::default();
        for sql in [
            "insert into bronze.t select * from silver.s join ml.x on true",
            "select 1 from silver.s",
        ] {
            names.add(&references(sql).unwrap());
        }
        assert_eq!(names.writes, BTreeSet::from(["bronze.t".to_string()]));
        assert_eq!(
            names.reads.into_iter().collect::<Vec<_>>(),
            ["ml.x", "silver.s"]
        );
    }

    #[test]
    fn long_texts_are_cut() {
        let sql = format!("select {}", vec!["a"; 10_000].join(", "));
        let summary = Summary::of(&sql);
        assert!(summary.text.ends_with(CUT) && summary.text.len() < LONGEST_TEXT + 10);
    }

    #[test]
    fn messages_keep_their_words_and_no_values() {
        assert_eq!(
            without_values("Cannot cast string 'secret' to Int64 in column9: 12.5 > \"x\""),
            "Cannot cast string ? to Int64 in column9: ? > ?"
        );
        for (message, kept) in [
            ("the end is 'open", "the end is ?"),
            ("it doesn't match 'secret'", "it doesn't match ?"),
            ("found: N'secret' here", "found: N? here"),
            ("found: $$secret$$ at $1", "found: ??"),
            (
                "Cannot cast string 'its' secret 'word' to Int64",
                "Cannot cast string ? to Int64",
            ),
            (
                "gold.t: constraint 'c' (a > 5) is broken by the row {a: geheim wort}; nothing was written",
                "gold.t: constraint ? (a > ?) is broken by the row ?",
            ),
            (
                "gold.t: a constraint is broken by these rows; nothing was written\n| geheim |",
                "gold.t: a constraint is broken by these rows ?",
            ),
        ] {
            assert_eq!(without_values(message), kept, "{message}");
        }
    }
}
