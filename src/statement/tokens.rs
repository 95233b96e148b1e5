//! What is done on tokens before parsing, where neither strings nor comments can be mistaken for SQL: a script is split,
//! `?` becomes `$n`, `t VERSION AS OF 3` becomes the name that the catalogue understands, `PARTITIONED BY (…)` is taken out
//! of CREATE TABLE.

use datafusion::sql::sqlparser::{
    dialect::GenericDialect,
    keywords::RESERVED_FOR_TABLE_ALIAS,
    tokenizer::{Token, Tokenizer, Whitespace},
};

use crate::{
    error::{Error, Result},
    lake::versioned,
};

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

/// How far a text has got that is being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// Statements with their semicolons, or nothing but space and comments.
    Whole,
    /// In a statement that goes on to its semicolon.
    InStatement,
    /// Between quotes.
    InQuotes,
    /// In a comment that has an end.
    InComment,
}

/// How far a text has got that is being typed.
#[must_use]
pub fn typed(text: &str) -> Typed {
    let tokens = Tokenizer::new(&GenericDialect {}, text)
        .with_unescape(false)
        .tokenize();
    match tokens {
        Ok(tokens) => match tokens.iter().rev().find(|token| !is_space(token)) {
            None | Some(Token::SemiColon) => Typed::Whole,
            Some(_) => Typed::InStatement,
        },
        Err(error) if error.message.contains("comment") => Typed::InComment,
        Err(error)
            if ["Unterminated", "EOF"]
                .iter()
                .any(|end| error.message.contains(end)) =>
        {
            Typed::InQuotes
        }
        // Whoever runs it tells what is wrong.
        Err(_) if text.trim_end().ends_with(';') => Typed::Whole,
        Err(_) => Typed::InStatement,
    }
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

pub(super) fn starts_with(tokens: &[Token], at: &[usize], words: &[&str]) -> bool {
    at.len() >= words.len()
        && words
            .iter()
            .zip(at)
            .all(|(word, at)| is_word(&tokens[*at], word))
}

/// What stands between a table's name and the number of the parameter that is its version: `plays@v$1`.
pub(super) const VERSION_PLACE: &str = "@v$";

/// Whether a text has parameters.
pub(super) fn has_parameters(text: &str) -> Result<bool> {
    let tokens = tokenize(text)?;
    Ok(tokens.iter().any(is_parameter))
}

fn is_parameter(token: &Token) -> bool {
    matches!(token, Token::Placeholder(_))
}

pub(super) fn number_parameters(tokens: &mut [Token]) -> Result<()> {
    let is_question = |token: &Token| matches!(token, Token::Placeholder(mark) if mark == "?");
    let mut parameters = tokens.iter().filter(|token| is_parameter(token));
    if let Some(first) = parameters.clone().find(|token| !is_question(token))
        && parameters.any(is_question)
    {
        return Err(Error::Input(format!(
            "the statement has parameters ? and {first}: write either ? or $1, $2, …"
        )));
    }
    let mut next = 1;
    for token in tokens {
        if matches!(token, Token::Placeholder(mark) if mark == "?") {
            *token = Token::Placeholder(format!("${next}"));
            next += 1;
        }
    }
    Ok(())
}

/// Quotes `current_user` where brackets follow: the parser knows the bare word without them only.
pub(super) fn quote_current_user(tokens: &mut [Token]) {
    for pair in meaningful(tokens).windows(2) {
        if is_word(&tokens[pair[0]], "current_user") && tokens[pair[1]] == Token::LParen {
            tokens[pair[0]] = Token::make_word("current_user", Some('"'));
        }
    }
}

pub(super) fn rewrite_versions(tokens: &mut [Token]) -> Result<()> {
    let at = meaningful(tokens);
    for (place, window) in at.windows(5).enumerate() {
        if !starts_with(tokens, &window[1..], &["version", "as", "of"]) {
            continue;
        }
        let Token::Word(table) = &tokens[window[0]] else {
            continue;
        };
        let version = match &tokens[window[4]] {
            Token::Number(digits, _) => digits.parse::<u64>().ok().map(|_| digits.clone()),
            Token::Placeholder(place) => Some(place.clone()),
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
        tokens[window[0]] = Token::make_word(&versioned(&name, &version), Some('"'));
        for gone in &window[1..] {
            tokens[*gone] = Token::Whitespace(Whitespace::Space);
        }
        let next = at.get(place + 5).map(|next| &tokens[*next]);
        if !next.is_some_and(is_alias) {
            tokens[window[1]] = Token::make_keyword("AS");
            tokens[window[2]] = Token::make_word(&name, Some('"'));
        }
    }
    Ok(())
}

/// Whether a token after a table goes on with its alias.
fn is_alias(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_some()
                || is_word(token, "as")
                || !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword)
        }
        _ => false,
    }
}

/// A name's part as the lake writes it: in lower case unless quoted.
pub(super) fn part(token: &Token) -> String {
    match token {
        // Tokens are as they were written, where a quote in quotes is two.
        Token::Word(word) if word.quote_style.is_some() => word.value.replace("\"\"", "\""),
        other => other.to_string().to_lowercase(),
    }
}

/// Takes `PARTITIONED BY (a, b)` out of a CREATE TABLE.
pub(super) fn take_partitioned_by(tokens: &mut [Token]) -> Result<Vec<String>> {
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
    fn a_text_is_whole_at_its_semicolon() {
        for (text, expected) in [
            ("", Typed::Whole),
            ("-- why\n", Typed::Whole),
            ("select 1", Typed::InStatement),
            ("select 1; -- it's done", Typed::Whole),
            ("select 1; select 2", Typed::InStatement),
            ("select 'a;", Typed::InQuotes),
            ("select 'a;\nb''c';", Typed::Whole),
            ("select \"a;", Typed::InQuotes),
            ("select $$a;'", Typed::InQuotes),
            ("select $x$a;$$;", Typed::InQuotes),
            ("select $x$a;$x$;", Typed::Whole),
            ("select /* a; /* b; */", Typed::InComment),
            ("select /* a; */ 1;", Typed::Whole),
        ] {
            assert_eq!(typed(text), expected, "{text}");
        }
    }

    #[test]
    fn a_version_becomes_part_of_the_name() {
        let mut tokens = tokenize("select * from silver.Plays version as of 3 p").unwrap();
        rewrite_versions(&mut tokens).unwrap();
        assert!(render(&tokens).starts_with("select * from silver.\"plays@v3\""));
        assert!(!render(&tokens).contains(" AS "));
        let mut tokens = tokenize("select t.id from t version as of 3 where t.id = 1").unwrap();
        rewrite_versions(&mut tokens).unwrap();
        assert!(render(&tokens).contains("\"t@v3\" AS \"t\""));
        let mut tokens = tokenize("select * from t version as of $2").unwrap();
        rewrite_versions(&mut tokens).unwrap();
        assert!(render(&tokens).contains("\"t@v$2\" AS \"t\""));
        let mut tokens = tokenize("select * from t version as of x").unwrap();
        assert!(rewrite_versions(&mut tokens).is_err());
    }

    #[test]
    fn current_user_is_a_function_with_brackets_and_without() {
        let mut tokens =
            tokenize("select CURRENT_USER ( ), current_user, 'current_user()'").unwrap();
        quote_current_user(&mut tokens);
        assert_eq!(
            render(&tokens),
            "select \"current_user\" ( ), current_user, 'current_user()'"
        );
    }

    #[test]
    fn question_marks_are_numbered_outside_strings() {
        let mut tokens = tokenize("select ?, '?', ?").unwrap();
        number_parameters(&mut tokens).unwrap();
        assert_eq!(render(&tokens), "select $1, '?', $2");
        let mut tokens = tokenize("select ?, $1").unwrap();
        let message = number_parameters(&mut tokens).unwrap_err().to_string();
        assert_eq!(
            message,
            "the statement has parameters ? and $1: write either ? or $1, $2, …"
        );
    }
}
