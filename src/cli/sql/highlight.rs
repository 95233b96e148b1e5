//! Colours of what is typed.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

use super::keywords::is_keyword;

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const BLUE: &str = "\x1b[34m";
const GREEN: &str = "\x1b[32m";
const GREY: &str = "\x1b[90m";

/// A prompt that stands out.
pub(super) fn prompt(text: &str) -> String {
    format!("{BOLD}{text}{RESET}")
}

/// A line of SQL in colours; as it is where it cannot be read yet.
pub(super) fn sql(line: &str) -> Option<String> {
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, line)
        .with_unescape(false)
        .tokenize();
    let mut coloured = String::with_capacity(line.len() * 2);
    let mut plain = String::with_capacity(line.len());
    for token in tokens.ok()? {
        let text = token.to_string();
        match colour(&token) {
            Some(colour) => coloured.extend([colour, &text, RESET]),
            None => coloured.push_str(&text),
        }
        plain.push_str(&text);
    }
    // The cursor is where the plain text says.
    (plain == line).then_some(coloured)
}

fn colour(token: &Token) -> Option<&'static str> {
    match token {
        Token::Word(word) if word.quote_style.is_none() && is_keyword(&word.value) => Some(BLUE),
        Token::SingleQuotedString(_) | Token::DollarQuotedString(_) => Some(GREEN),
        Token::Whitespace(
            Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_),
        ) => Some(GREY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_and_strings_have_colours() {
        assert_eq!(
            sql("select a, 'it''s' -- x").unwrap(),
            "\x1b[34mselect\x1b[0m a, \x1b[32m'it''s'\x1b[0m \x1b[90m-- x\x1b[0m"
        );
        assert_eq!(sql("select 'a"), None);
    }
}
