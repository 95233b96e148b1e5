//! What became of the rows of each file: kept, or dropped for a stated reason.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use crate::wording::plain;

/// A music play, or a catalogue row, that was kept.
pub(crate) const LOADED: &str = "loaded";
/// A podcast episode that was kept.
pub(crate) const PODCAST: &str = "podcast (kept, no audio features)";
/// An audiobook chapter that was kept.
pub(crate) const AUDIOBOOK: &str = "audiobook (kept, no audio features)";
/// A play without any title that was kept.
pub(crate) const UNTITLED: &str = "nothing named (kept, no audio features)";
/// A row that an earlier row of the same import equals.
pub(crate) const DUPLICATE: &str = "duplicate in import";
/// A row that an earlier import brought.
pub(crate) const ALREADY_LOADED: &str = "already loaded";

/// What to do about a file that is not whole; every reason that is one ends in it.
const REMEDY: &str = "download it again";
/// A file that ends too early.
pub(crate) const CUT_OFF: &str = "the file is cut off: download it again";
/// A file that ends too early, in the middle of a record.
pub(crate) const CUT_OFF_INSIDE: &str = "the file is cut off inside this record: download it again";
/// A file that is called as Spotify calls histories, but holds none.
pub(crate) const NO_HISTORY: &str =
    "no streaming history in it (empty, cut off or not JSON): download it again";

/// Whether a reason says that a file is not whole, so that records are missing.
pub(crate) fn is_damage(reason: &str) -> bool {
    reason.ends_with(REMEDY)
}

/// Why a file or archive could not be read to its end.
pub(crate) fn damage(error: &io::Error) -> String {
    let text = plain(error);
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CUT_OFF.to_string(),
        // The directory of an archive stands at its end.
        _ if text.contains("EOCD") || text.contains("central directory") => CUT_OFF.to_string(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            format!("the file is damaged ({text}): {REMEDY}")
        }
        _ => text,
    }
}

/// Where a reason was first met in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Number of the record in its file, from 1.
    pub(crate) record: u64,
    /// Line at which it begins, from 1.
    pub(crate) line: u64,
    /// Bytes before it.
    pub(crate) byte: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "record {}, line {}, byte {}",
            self.record, self.line, self.byte
        )
    }
}

/// Which rows a count is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cause {
    /// The listener, where the rows are somebody's.
    pub(crate) user_id: Option<String>,
    /// The file, as `_source_file` has it.
    pub(crate) file: String,
    /// `history` or `catalogue`.
    pub(crate) kind: &'static str,
    /// Why the rows are, or are not, in the lake.
    pub(crate) reason: String,
}

/// How many rows, and where the first one is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Rows of this cause.
    pub(crate) rows: u64,
    /// The first of them, where it is worth finding.
    pub(crate) position: Option<Position>,
}

/// Rows by cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tallies {
    tallies: BTreeMap<Cause, Tally>,
}

impl Tallies {
    /// Adds `rows` to a cause; the first position given stays.
    pub(crate) fn add(&mut self, cause: Cause, rows: u64, position: Option<Position>) {
        let tally = self.tallies.entry(cause).or_default();
        tally.rows += rows;
        tally.position = tally.position.or(position);
    }

    /// Adds everything that `other` counted.
    pub(crate) fn merge(&mut self, other: Self) {
        for (cause, tally) in other.tallies {
            self.add(cause, tally.rows, tally.position);
        }
    }

    /// Every cause in the order user, file, kind, reason.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Cause, &Tally)> {
        self.tallies.iter()
    }

    /// Takes rows away from a cause, as many as there are; returns how many.
    pub(crate) fn take(&mut self, cause: &Cause, rows: u64) -> u64 {
        let Some(tally) = self.tallies.get_mut(cause) else {
            return 0;
        };
        let taken = rows.min(tally.rows);
        tally.rows -= taken;
        if tally.rows == 0 {
            self.tallies.remove(cause);
        }
        taken
    }

    /// Rows of all causes whose reason passes `test`.
    pub(crate) fn rows(&self, test: impl Fn(&str) -> bool) -> u64 {
        self.iter()
            .filter(|(cause, _)| test(&cause.reason))
            .map(|(_, tally)| tally.rows)
            .sum()
    }
}

/// Whether rows of this reason are in the lake after this import brought them.
pub(crate) fn is_kept(reason: &str) -> bool {
    [LOADED, PODCAST, AUDIOBOOK, UNTITLED].contains(&reason)
}
