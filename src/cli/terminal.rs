//! How wide the terminal is.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

/// Columns of a terminal that does not say.
const USUAL: usize = 80;
/// Longer lines of text are tiring to read.
const READABLE: usize = 100;

/// The columns of the terminal that standard output is; none where it is a file or a pipe.
pub(super) fn columns() -> Option<usize> {
    io::stdout().is_terminal().then(|| asked().unwrap_or(USUAL))
}

/// Where running text wraps.
pub(super) fn text_width() -> usize {
    columns().unwrap_or(USUAL).min(READABLE)
}

/// `stty` knows, and every Unix has it; the standard library does not.
fn asked() -> Option<usize> {
    let size = Command::new("stty")
        .arg("size")
        .stdin(File::open("/dev/tty").ok()?)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let size = String::from_utf8(size.stdout).ok()?;
    let columns = size.split_whitespace().nth(1)?.parse().ok()?;
    (columns > 0).then_some(columns)
}

/// Breaks text at spaces, and within words that are too long, into lines of at most `width`.
pub(super) fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut length = 0;
        for word in paragraph.split_inclusive(' ') {
            if length > 0 && length + word.trim_end().chars().count() > width {
                lines.push(std::mem::take(&mut line).trim_end().to_string());
                length = 0;
            }
            for character in word.chars() {
                if length == width && character != ' ' {
                    lines.push(std::mem::take(&mut line));
                    length = 0;
                }
                line.push(character);
                length += 1;
            }
        }
        lines.push(line.trim_end().to_string());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_spaces_and_long_words_anywhere() {
        assert_eq!(fold("one two three", 7), ["one two", "three"]);
        assert_eq!(fold("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(fold("a\n\nb", 9), ["a", "", "b"]);
        assert!(fold("", 9).is_empty());
    }
}
