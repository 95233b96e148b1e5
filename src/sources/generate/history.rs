//! What a simulated listener did, before it is written in any shape.

use super::tracks::Track;

/// What was played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// A track of the catalogue.
    Track(usize),
    /// A track of no catalogue.
    Unlisted(usize),
    /// An episode of a podcast.
    Episode(u32),
    /// Nothing that has a name.
    Nothing,
}

/// A play; times in ms since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Play {
    pub(super) item: Item,
    pub(super) started_at: i64,
    pub(super) ended_at: i64,
    pub(super) reason_start: &'static str,
    pub(super) reason_end: &'static str,
    pub(super) device: Device,
}

/// What stays the same in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) platform: &'static str,
    pub(super) shuffle: bool,
    pub(super) offline: bool,
}

/// A session and the mode it was in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) started_at: i64,
    pub(super) mode: usize,
    /// How many music plays it has.
    pub(super) plays: usize,
}

/// Everything one listener did.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct History {
    pub(super) plays: Vec<Play>,
    pub(super) sessions: Vec<Session>,
    pub(super) unlisted: Vec<Track>,
}
