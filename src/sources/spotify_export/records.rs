//! The records of a JSON array, read through a window, so that a file of any size needs little
//! memory and a broken record costs only itself.

use std::io::Read;

use serde::de::{Deserialize, IgnoredAny};

use super::play::Play;
use crate::error::{Error, Result};
use crate::sources::report::{CUT_OFF, CUT_OFF_INSIDE, Position, damage};

/// Bytes asked for at a time; a record is about a thousandth of it.
const WINDOW_BYTES: usize = 1 << 20;
/// A record longer than this is not one: the file is given up instead of being held in memory.
const MAX_RECORD_BYTES: usize = 64 << 20;

/// What was found at a place in the array.
#[derive(Debug, PartialEq)]
pub(super) enum Record<'a> {
    /// A record that is well formed; its values are not checked yet.
    Play(&'a Play<'a>),
    /// Something else, and what is wrong with it.
    Broken(&'a str),
    /// The array itself is not whole; no record is lost by that.
    Unfinished(&'a str),
}

/// Reads the array in `reader` and hands every record to `visit`, in order.
pub(super) fn read_records(
    reader: &mut dyn Read,
    visit: &mut dyn FnMut(Record<'_>, Position) -> Result<()>,
) -> Result<()> {
    let mut window = Window::over(reader);
    if window.peek()? == Some(0xEF) && window.rest().starts_with(b"\xef\xbb\xbf") {
        window.advance(3);
    }
    if window.peek()? != Some(b'[') {
        return visit(Record::Unfinished("not a JSON array"), window.position(0));
    }
    window.advance(1);
    let (mut number, mut is_cut) = (0, false);
    loop {
        match window.peek()? {
            Some(b',') => window.advance(1),
            Some(b']') => break,
            None if is_cut && window.failure.is_none() => return Ok(()),
            None => {
                let reason = window.failure.take();
                let reason = reason.as_deref().unwrap_or(CUT_OFF);
                return visit(Record::Unfinished(reason), window.position(number));
            }
            Some(_) => {
                number += 1;
                is_cut = read_record(&mut window, number, visit)? == Outcome::Cut;
            }
        }
    }
    window.advance(1);
    // The checksum of compressed data comes after all of it.
    let reason = match (window.peek()?, window.failure.take()) {
        (Some(_), _) => "text after the closing ]".to_string(),
        (None, Some(failure)) => failure,
        (None, None) => return Ok(()),
    };
    visit(Record::Unfinished(&reason), window.position(number))
}

/// What became of a record.
#[derive(PartialEq)]
enum Outcome {
    Read,
    /// The file ends in it.
    Cut,
}

fn read_record(
    window: &mut Window<'_>,
    number: u64,
    visit: &mut dyn FnMut(Record<'_>, Position) -> Result<()>,
) -> Result<Outcome> {
    let position = window.position(number);
    loop {
        let step = match parse::<Play<'_>>(window.rest()) {
            Parsed::Value(play, used) => {
                visit(Record::Play(&play), position)?;
                Step::Past(used)
            }
            Parsed::Incomplete => Step::Incomplete,
            Parsed::Invalid { is_json } => Step::Invalid { is_json },
        };
        let (reason, used) = match step {
            Step::Past(used) => {
                window.advance(used);
                return Ok(Outcome::Read);
            }
            Step::Incomplete if window.grow()? => continue,
            Step::Incomplete => (CUT_OFF_INSIDE, next_record(window)?),
            Step::Invalid { is_json } => misshapen(window, is_json)?,
        };
        window.advance(used);
        visit(Record::Broken(reason), position)?;
        return Ok(if window.peek()?.is_none() {
            Outcome::Cut
        } else {
            Outcome::Read
        });
    }
}

/// Why what comes next is not a record, and how long it is.
fn misshapen(window: &mut Window<'_>, is_json: bool) -> Result<(&'static str, usize)> {
    let reason = match window.rest().first() {
        Some(b'{') if is_json => "a key occurs twice",
        _ if is_json => "not a JSON object",
        _ => "not valid JSON",
    };
    match parse::<IgnoredAny>(window.rest()) {
        Parsed::Value(_, used) => Ok((reason, used)),
        _ => Ok(("not valid JSON", next_record(window)?)),
    }
}

/// How far ahead the next play begins, past a record that cannot be read; the end, if none does.
fn next_record(window: &mut Window<'_>) -> Result<usize> {
    let mut at = 1;
    loop {
        let Some(ahead) = window.rest()[at..].iter().position(|byte| *byte == b'{') else {
            at = window.rest().len();
            if window.grow()? {
                continue;
            }
            return Ok(at);
        };
        at += ahead;
        let step = match parse::<Play<'_>>(&window.rest()[at..]) {
            Parsed::Value(play, _) if play.is_plausible() => Step::Past(at),
            Parsed::Incomplete => Step::Incomplete,
            _ => Step::Invalid { is_json: true },
        };
        match step {
            Step::Past(at) => return Ok(at),
            Step::Incomplete if window.grow()? => {}
            _ => at += 1,
        }
    }
}

/// What a try at a record came to.
enum Step {
    Past(usize),
    Incomplete,
    Invalid { is_json: bool },
}

enum Parsed<T> {
    Value(T, usize),
    Incomplete,
    /// It is no `T`; whether it is JSON all the same.
    Invalid {
        is_json: bool,
    },
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Parsed<T> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => Parsed::Value(value, values.byte_offset()),
        Some(Err(error)) if !error.is_eof() => Parsed::Invalid {
            is_json: error.is_data(),
        },
        _ => Parsed::Incomplete,
    }
}

/// The part of a file that is in memory.
struct Window<'r> {
    reader: &'r mut dyn Read,
    bytes: Vec<u8>,
    /// Where the unread part of `bytes` begins.
    start: usize,
    /// Bytes of the file before `bytes`.
    offset: u64,
    /// Lines before `counted`, from 1.
    line: u64,
    /// Where in `bytes` lines are counted up to.
    counted: usize,
    at_end: bool,
    /// Why the file could not be read to its end.
    failure: Option<String>,
}

impl<'r> Window<'r> {
    fn over(reader: &'r mut dyn Read) -> Self {
        Self {
            reader,
            bytes: Vec::with_capacity(2 * WINDOW_BYTES),
            start: 0,
            offset: 0,
            line: 1,
            counted: 0,
            at_end: false,
            failure: None,
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    fn advance(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            let blank = self
                .rest()
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count();
            self.start += blank;
            if let Some(byte) = self.rest().first() {
                return Ok(Some(*byte));
            }
            if !self.grow()? {
                return Ok(None);
            }
        }
    }

    /// Reads more of the file; false at its end.
    fn grow(&mut self) -> Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        if self.rest().len() > MAX_RECORD_BYTES {
            return Err(Error::Input("a record is longer than 64 MB".to_string()));
        }
        self.count_lines();
        self.offset += self.start as u64;
        self.bytes.drain(..self.start);
        (self.start, self.counted) = (0, 0);
        let wanted = WINDOW_BYTES.max(self.bytes.len()) as u64;
        let mut more = Read::take(&mut self.reader, wanted);
        let held = self.bytes.len();
        if let Err(error) = more.read_to_end(&mut self.bytes) {
            self.at_end = true;
            self.failure = Some(damage(&error));
        }
        let has_grown = self.bytes.len() > held;
        self.at_end |= !has_grown;
        Ok(has_grown)
    }

    fn position(&mut self, record: u64) -> Position {
        self.count_lines();
        Position {
            record,
            line: self.line,
            byte: self.offset + self.start as u64,
        }
    }

    fn count_lines(&mut self) {
        let passed = &self.bytes[self.counted..self.start];
        self.line += passed
            .iter()
            .map(|byte| u64::from(*byte == b'\n'))
            .sum::<u64>();
        self.counted = self.start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"ts": "2026-01-01T00:00:00Z", "ms_played": 1, "platform": "{x}"}"#;

    /// Reads `text` a few bytes at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let bytes = buffer.len().min(self.0.len()).min(7);
            buffer[..bytes].copy_from_slice(&self.0[..bytes]);
            self.0 = &self.0[bytes..];
            Ok(bytes)
        }
    }

    /// `ok` or the reason, with record, line and byte, of everything in `text`.
    fn outcomes(text: &[u8]) -> Vec<String> {
        let mut outcomes = Vec::new();
        read_records(&mut Slowly(text), &mut |record, at| {
            outcomes.push(match record {
                Record::Play(play) if play.is_plausible() => format!("{} ok", at.record),
                Record::Play(_) => format!("{} empty", at.record),
                Record::Broken(reason) | Record::Unfinished(reason) => {
                    format!("{} {reason}, line {}, byte {}", at.record, at.line, at.byte)
                }
            });
            Ok(())
        })
        .unwrap();
        outcomes
    }

    #[test]
    fn whole_arrays() {
        assert!(outcomes(b" [ ] ").is_empty());
        assert_eq!(
            outcomes(format!("\u{feff}[{GOOD},\n{GOOD}]").as_bytes()),
            ["1 ok", "2 ok"]
        );
    }

    #[test]
    fn a_broken_record_costs_only_itself() {
        for broken in [
            r#"{"ts": "a", "ms_played": tru}"#,
            r#"{"ts": "a, "ms_played": 1}"#,
            r#"{"ts": "a", "ms_played": 1"#,
            r#"{"ts": "a" "ms_played": 1, "x": {"y": {}}}"#,
            r#"{"ts": [ "a", "ms_played": 1}"#,
            "nonsense",
            "{\"ts\": \"\u{1}\"}",
        ] {
            let text = format!("[{GOOD},\n{broken},\n{GOOD}]");
            let second = format!("2 not valid JSON, line 2, byte {}", GOOD.len() + 3);
            assert_eq!(
                outcomes(text.as_bytes()),
                ["1 ok", &second, "3 ok"],
                "{broken}"
            );
        }
    }

    #[test]
    fn what_is_no_play_is_named() {
        let text = format!("[5, {GOOD}, {{}}, {{\"ts\": 1, \"ts\": 2}}, [1]]");
        assert_eq!(
            outcomes(text.as_bytes()),
            [
                "1 not a JSON object, line 1, byte 1".to_string(),
                "2 ok".to_string(),
                "3 empty".to_string(),
                format!("4 a key occurs twice, line 1, byte {}", GOOD.len() + 10),
                format!("5 not a JSON object, line 1, byte {}", GOOD.len() + 30),
            ]
        );
    }

    #[test]
    fn a_cut_file_gives_every_record_before_the_cut() {
        let text = format!("[{GOOD},{GOOD},{GOOD}");
        let cut = &text.as_bytes()[..text.len() - 5];
        let reason = format!("3 {CUT_OFF_INSIDE}, line 1, byte {}", 3 + 2 * GOOD.len());
        assert_eq!(outcomes(cut), ["1 ok", "2 ok", &reason]);
        let ending = format!("3 {CUT_OFF}, line 1, byte {}", text.len());
        assert_eq!(outcomes(text.as_bytes())[3], ending);
    }

    #[test]
    fn invalid_utf8_breaks_one_record() {
        let mut text = format!("[{GOOD},").into_bytes();
        text.extend(b"{\"ts\": \"\xff\", \"ms_played\": 1},");
        text.extend(format!("{GOOD}] rest").as_bytes());
        let outcomes = outcomes(&text);
        assert_eq!(outcomes.len(), 4);
        assert!(outcomes[1].starts_with("2 not valid JSON"), "{outcomes:?}");
        assert!(outcomes[3].starts_with("3 text after"), "{outcomes:?}");
    }
}
