//! Where in a script or statement an error is.

use std::path::Path;

use crate::error::Error;

/// A statement's place in its script, both from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    statement: usize,
    /// The line of its first word, below its comments.
    line: usize,
}

impl Place {
    /// The place of the last of `statements`, which `script` begins with.
    pub(super) fn of(script: &str, statements: &[String]) -> Self {
        let mut start = 0;
        let mut end = 0;
        for statement in statements {
            start = script[end..]
                .find(statement.as_str())
                .map_or(end, |ahead| end + ahead);
            end = script.len().min(start + statement.len());
        }
        let is_comment = |line: &&str| line.trim().is_empty() || line.trim().starts_with("--");
        let comments = script[start..end].lines().take_while(is_comment).count();
        Self {
            statement: statements.len(),
            line: script[..start].matches('\n').count() + comments + 1,
        }
    }

    /// The place in a file, of which so many lines and statements come before.
    pub(super) fn after(self, lines: usize, statements: usize) -> Self {
        Self {
            statement: self.statement + statements,
            line: self.line + lines,
        }
    }
}

/// The error with the file and the place of its statement, as far as there are any.
pub(super) fn at(error: Error, file: Option<&Path>, place: Option<&Place>) -> Error {
    let file = file.map(|file| file.display().to_string());
    let place =
        place.map(|Place { statement, line }| format!("statement {statement}, line {line}"));
    let parts: Vec<String> = file.into_iter().chain(place).collect();
    match (error, parts.as_slice()) {
        (error, []) => error,
        (error, parts) => Error::Input(format!("{}: {error}", parts.join(", "))),
    }
}

/// The line that a message of the parser is about, and below it a mark where it stopped.
pub(super) fn pointed(statement: &str, message: &str) -> Option<String> {
    let (_, place) = message.rsplit_once("Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    let line: usize = line.parse().ok()?;
    let digits = column.split(|character: char| !character.is_ascii_digit());
    let column: usize = digits.into_iter().next()?.parse().ok()?;
    let text = statement.lines().nth(line.checked_sub(1)?)?;
    // As much space as there is text before it, tabs as tabs.
    let space = |character: char| if character == '\t' { '\t' } else { ' ' };
    let before: String = text
        .chars()
        .take(column.checked_sub(1)?)
        .map(space)
        .collect();
    Some(format!("  {text}\n  {before}^"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::split;

    #[test]
    fn an_error_names_file_statement_and_line() {
        let script = "select 1;\n\n-- why\nselect 2;\nselect 1";
        let statements = split(script).unwrap();
        let line = |upto: usize| Place::of(script, &statements[..upto]).line;
        assert_eq!([line(1), line(2), line(3)], [1, 4, 5]);
        let place = Place::of(script, &statements[..2]).after(10, 3);
        let error = at(
            Error::Input("no".into()),
            Some(Path::new("a.sql")),
            Some(&place),
        );
        assert_eq!(error.to_string(), "a.sql, statement 5, line 14: no");
    }

    #[test]
    fn a_parser_error_is_pointed_at() {
        let statement = "select 1\n\tfrm x";
        let message = "SQL: Expected: end of statement, found: x at Line: 2, Column: 6";
        assert_eq!(pointed(statement, message).unwrap(), "  \tfrm x\n  \t    ^");
        assert_eq!(pointed(statement, "table 'x' not found"), None);
        assert_eq!(pointed(statement, "at Line: 9, Column: 1"), None);
    }
}
