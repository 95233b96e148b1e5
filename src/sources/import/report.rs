//! What an import did, as figures and as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::DEFAULT_TIMEZONE;
use super::coverage::Coverage;
use crate::sources::report::{ALREADY_LOADED, Position, Tallies, is_damage, is_kept};
use crate::wording::{counted, grouped};

/// Listeners whose zones are told one by one.
const ZONES_NAMED: usize = 3;

/// The rows of one reason, and where the first of them is.
#[derive(Default)]
struct Reason<'a> {
    rows: u64,
    first: Option<(&'a str, Position)>,
}

/// What became of every row of an import.
#[derive(Debug, Clone)]
pub struct Report {
    tallies: Tallies,
    users: BTreeSet<String>,
    zones: BTreeMap<String, Option<String>>,
    coverage: Coverage,
    notes: Vec<String>,
}

impl Report {
    pub(super) fn new(
        tallies: Tallies,
        users: BTreeSet<String>,
        zones: BTreeMap<String, Option<String>>,
        coverage: Coverage,
        notes: Vec<String>,
    ) -> Self {
        Self {
            tallies,
            users,
            zones,
            coverage,
            notes,
        }
    }

    /// Rows that the lake did not have before.
    #[must_use]
    pub fn rows_added(&self) -> u64 {
        self.tallies.rows(is_kept)
    }

    /// Whether anything in the files could be used, now or in an earlier import.
    #[must_use]
    pub fn is_of_use(&self) -> bool {
        self.tallies
            .rows(|reason| is_kept(reason) || reason == ALREADY_LOADED)
            > 0
    }

    /// Whether every file could be read to its end.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self
            .tallies
            .iter()
            .any(|(cause, _)| is_damage(&cause.reason))
    }

    /// The listeners whose history was in this import, in the order of their names.
    #[must_use]
    pub fn users(&self) -> Vec<String> {
        self.users.iter().cloned().collect()
    }

    /// The share of music plays that a catalogue describes; none without music plays.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of plays are far below 2^53"
    )]
    fn coverage(&self) -> Option<f64> {
        let Coverage { plays, covered, .. } = self.coverage;
        (plays > 0).then(|| covered as f64 / plays as f64)
    }

    fn write_reasons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reasons: BTreeMap<(&str, &str), Reason<'_>> = BTreeMap::new();
        for (cause, tally) in self.tallies.iter().filter(|(_, tally)| tally.rows > 0) {
            let reason = reasons.entry((cause.kind, &cause.reason)).or_default();
            reason.rows += tally.rows;
            let here = tally
                .position
                .map(|position| (cause.file.as_str(), position));
            reason.first = reason.first.or(here);
        }
        if !reasons.is_empty() {
            write!(f, "{:>11}  {:<9}  what became of them", "rows", "kind")?;
        }
        for ((kind, reason), Reason { rows, first }) in reasons {
            write!(f, "\n{:>11}  {kind:<9}  {reason}", grouped(rows))?;
            if let Some((file, position)) = first {
                write!(f, " (first in {file}, {position})")?;
            }
        }
        let whole_files = self
            .tallies
            .iter()
            .filter(|(cause, tally)| tally.rows == 0 && !cause.reason.starts_with("ignored"));
        for (cause, _) in whole_files {
            write!(f, "\n{}: {}", cause.file, cause.reason)?;
        }
        Ok(())
    }

    fn write_coverage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Coverage {
            plays,
            covered,
            missing_tracks,
            missing_artists,
        } = &self.coverage;
        let Some(share) = self.coverage() else {
            return write!(f, "\n\nCoverage: there are no music plays yet");
        };
        write!(
            f,
            "\n\nCoverage: {} of {} music plays ({:.0}%) have audio features",
            grouped(*covered),
            grouped(*plays),
            100.0 * share
        )?;
        if covered == plays {
            return Ok(());
        }
        write!(
            f,
            "\nWithout them: {} with {}",
            counted(*missing_tracks, "track"),
            counted(plays - covered, "play")
        )?;
        if !missing_artists.is_empty() {
            let artists: Vec<String> = missing_artists
                .iter()
                .map(|(artist, plays)| format!("{artist} ({})", grouped(*plays)))
                .collect();
            write!(f, ", most by {}", artists.join(", "))?;
        }
        write!(
            f,
            "\nTo add them: moodlake import CATALOGUE.csv, with track_id, track_name and audio features"
        )
    }

    fn write_zones(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (known, unknown): (Vec<_>, Vec<_>) =
            self.zones.iter().partition(|(_, zone)| zone.is_some());
        for (user, zone) in known.iter().take(ZONES_NAMED) {
            let zone = zone.as_deref().unwrap_or(DEFAULT_TIMEZONE);
            write!(f, "\nTime zone of {user}: {zone}")?;
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = unknown
            .iter()
            .take(ZONES_NAMED)
            .map(|(user, _)| user.as_str())
            .collect();
        let more = match unknown.len().saturating_sub(ZONES_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        write!(
            f,
            "\nTime zone of {}{more}: {DEFAULT_TIMEZONE}, as none was named; --timezone sets it",
            names.join(", ")
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_reasons(f)?;
        self.write_coverage(f)?;
        self.write_zones(f)?;
        for note in &self.notes {
            write!(f, "\nNote: {note}")?;
        }
        Ok(())
    }
}
