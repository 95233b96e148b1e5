//! What is typed, line by line, as entries: a command of the shell, or statements to their semicolon.

use crate::statement::{Typed, typed};

/// What the shell does at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A line for the shell itself.
    Command(String),
    /// Statements, and how many lines came before them.
    Statements { text: String, lines_before: usize },
}

impl Entry {
    /// As it was typed.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Command(text) | Self::Statements { text, .. } => text,
        }
    }
}

/// Lines that are not an entry yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: String,
    /// Lines taken so far, and before those that are pending.
    taken: usize,
    before: usize,
}

impl Lines {
    /// Takes a line; gives the entry that ends with it.
    pub(super) fn push(&mut self, line: &str) -> Option<Entry> {
        self.taken += 1;
        let is_first = self.pending.is_empty();
        if is_first && line.trim().is_empty() {
            return None;
        }
        if is_command(line, is_first) && (is_first || self.typed() == Typed::InStatement) {
            return Some(Entry::Command(line.trim().to_string()));
        }
        if is_first {
            self.before = self.taken - 1;
        } else {
            self.pending.push('\n');
        }
        self.pending.push_str(line);
        // Without a semicolon nothing can end, and long texts are not read again for each line.
        let is_whole = line.contains(';') && self.typed() == Typed::Whole;
        is_whole.then(|| self.take())
    }

    /// What is left at the end of a file: its last semicolon can be missing.
    pub(super) fn rest(&mut self) -> Option<Entry> {
        (!self.pending.trim().is_empty()).then(|| self.take())
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What the next line goes on with.
    pub(super) fn typed(&self) -> Typed {
        typed(&self.pending)
    }

    pub(super) fn pending(&self) -> &str {
        &self.pending
    }

    fn take(&mut self) -> Entry {
        Entry::Statements {
            text: std::mem::take(&mut self.pending),
            lines_before: self.before,
        }
    }
}

/// Whether a line is no SQL: it begins with a backslash, or as commands of other shells do.
fn is_command(line: &str, is_first: bool) -> bool {
    let line = line.trim();
    let word = line.trim_end_matches(';').trim_end().to_lowercase();
    line.starts_with('\\')
        || is_first && (matches!(word.as_str(), "quit" | "exit" | "help") || is_dotted(line))
}

/// `.tables`, but not `.5`.
fn is_dotted(line: &str) -> bool {
    let mut characters = line.chars();
    characters.next() == Some('.') && characters.next().is_some_and(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<Entry> {
        let mut lines = Lines::default();
        let mut entries: Vec<Entry> = text.lines().filter_map(|line| lines.push(line)).collect();
        entries.extend(lines.rest());
        entries
    }

    fn statements(text: &str, lines_before: usize) -> Entry {
        let text = text.to_string();
        Entry::Statements { text, lines_before }
    }

    fn command(text: &str) -> Entry {
        Entry::Command(text.into())
    }

    #[test]
    fn a_statement_goes_on_to_its_semicolon() {
        assert_eq!(
            entries("\n-- why\nselect 'a;\n\\d';\nselect 1; select\n2;\nselect 3"),
            [
                statements("-- why\nselect 'a;\n\\d';", 1),
                statements("select 1; select\n2;", 4),
                statements("select 3", 6),
            ]
        );
    }

    #[test]
    fn commands_stand_on_their_own_lines() {
        assert_eq!(entries("  \\d gold.*  "), [command("\\d gold.*")]);
        assert_eq!(entries("quit;"), [command("quit;")]);
        assert_eq!(entries(".tables"), [command(".tables")]);
        assert_eq!(
            entries("select 1,\n\\timing\nhelp;"),
            [command("\\timing"), statements("select 1,\nhelp;", 0)]
        );
        assert_eq!(entries("/*\n\\d\n*/;"), [statements("/*\n\\d\n*/;", 0)]);
    }
}
