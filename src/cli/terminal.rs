//! What the terminal can show: how wide and high it is, how wide text is on it.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::process::{Command, Stdio};

use rustyline::GraphemeClusterMode;

/// Columns of a terminal that does not say.
const USUAL: usize = 80;
/// Rows of a terminal that does not say.
const USUAL_ROWS: usize = 24;
/// Longer lines of text are tiring to read.
const READABLE: usize = 100;

/// The columns of the terminal that standard output is; none where it is a file or a pipe.
pub(super) fn columns() -> Option<usize> {
    size().map(|(_, columns)| columns)
}

/// The rows and columns of the terminal that standard output is.
pub(super) fn size() -> Option<(usize, usize)> {
    io::stdout()
        .is_terminal()
        .then(|| asked().unwrap_or((USUAL_ROWS, USUAL)))
}

/// Where running text wraps.
pub(super) fn text_width() -> usize {
    columns().unwrap_or(USUAL).min(READABLE)
}

/// `stty` knows, and every Unix has it; the standard library does not.
fn asked() -> Option<(usize, usize)> {
    let size = Command::new("stty")
        .arg("size")
        .stdin(File::open("/dev/tty").ok()?)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let size = String::from_utf8(size.stdout).ok()?;
    let mut numbers = size
        .split_whitespace()
        .map_while(|number| number.parse().ok());
    let (rows, columns) = (numbers.next()?, numbers.next()?);
    (rows > 0 && columns > 0).then_some((rows, columns))
}

/// The columns that a text of one line takes: letters of some scripts take two.
pub(super) fn display_width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.chars().map(character_width).sum()
}

fn character_width(character: char) -> usize {
    if character.is_ascii() {
        return 1;
    }
    let mut bytes = [0; 4];
    let text = character.encode_utf8(&mut bytes);
    GraphemeClusterMode::WcWidth.width(text).into()
}

/// Breaks text at spaces, and within words that are too long, into lines of at most `width`.
pub(super) fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        if display_width(paragraph) <= width {
            lines.push(paragraph.trim_end().to_string());
            continue;
        }
        let mut line = String::new();
        let mut length = 0;
        for word in paragraph.split_inclusive(' ') {
            if length > 0 && length + display_width(word.trim_end()) > width {
                lines.push(std::mem::take(&mut line).trim_end().to_string());
                length = 0;
            }
            for character in word.chars() {
                let wide = character_width(character);
                if length + wide > width && length > 0 && character != ' ' {
                    lines.push(std::mem::take(&mut line).trim_end().to_string());
                    length = 0;
                }
                line.push(character);
                length += wide;
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

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(display_width("é音"), 3);
        assert_eq!(fold("音楽音楽", 5), ["音楽", "音楽"]);
        assert_eq!(fold("音", 1), ["音"]);
    }
}
