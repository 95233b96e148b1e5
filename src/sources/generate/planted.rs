//! `planted.json`: what is in the generated data, so that what is found in it can be judged.

use std::path::Path;

use serde_json::{Value, json};

use super::history::History;
use super::listener::{COMPLETION, INSTRUMENTAL_COMPLETION_RATIO};
use super::taste::{
    HIGH_ENERGY, INSTRUMENTAL, LOW_VALENCE, LOW_VALENCE_RATE_RATIO, MORNING_ODDS_RATIO,
};
use super::tracks::Track;
use super::{FIRST_DAY, Options, invent, modes};
use crate::error::{Error, Result};

/// What is planted, and where it is found.
pub(super) struct Planted {
    options: Options,
    tracks: usize,
    has_moods: bool,
    users: Vec<Value>,
}

impl Planted {
    pub(super) fn new(options: &Options, tracks: &[Track]) -> Self {
        Self {
            options: options.clone(),
            tracks: tracks.len(),
            has_moods: options.catalog.is_none(),
            users: Vec::new(),
        }
    }

    /// Adds a listener: how many plays, and the mode of each session.
    pub(super) fn add(&mut self, user: &str, history: &History) {
        let sessions: Vec<Value> = history
            .sessions
            .iter()
            .map(|session| {
                json!([
                    session.started_at / 1000,
                    modes::ALL[session.mode].name,
                    session.plays
                ])
            })
            .collect();
        self.users
            .push(json!({"user_id": user, "plays": history.plays.len(), "sessions": sessions}));
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let mut text = self.text().to_string();
        text.push('\n');
        std::fs::write(path, text).map_err(Error::io(path))
    }

    fn text(&self) -> Value {
        let (year, month, day) = FIRST_DAY;
        json!({
            "note": "Everything here is generated. No person listened to any of it.",
            "seed": self.options.seed,
            "days": self.options.days,
            "first_day": format!("{year}-{month:02}-{day:02}"),
            "timezone": "UTC",
            "tracks": self.tracks,
            "effects": effects(),
            "modes": modes(),
            "moods": self.has_moods.then_some(invent::MOODS),
            "session_columns": ["started_at, in s since 1970", "mode", "music plays"],
            "users": self.users,
        })
    }
}

fn effects() -> Value {
    json!([
        {
            "table": "gold.daypart_lift",
            "what": format!(
                "odds of energy > {HIGH_ENERGY} among morning plays over those among evening plays"
            ),
            "odds_ratio": MORNING_ODDS_RATIO,
        },
        {
            "table": "gold.play_rate_by_feature",
            "what": format!(
                "plays per catalogue track of valence < {LOW_VALENCE} over plays per other track, \
                 in every genre, tracks never played included"
            ),
            "rate_ratio": LOW_VALENCE_RATE_RATIO,
        },
        {
            "table": "gold.completion_by_feature",
            "what": format!(
                "share completed of plays with instrumentalness > {INSTRUMENTAL} over that of the rest"
            ),
            "ratio": INSTRUMENTAL_COMPLETION_RATIO,
            "share_of_the_rest": COMPLETION,
        },
    ])
}

fn modes() -> Value {
    let mode = |mode: &modes::Mode| {
        let [morning, afternoon, evening, night] = mode.chances;
        json!({
            "name": mode.name,
            "leans_towards": mode.feature,
            "chances": {
                "morning": morning, "afternoon": afternoon, "evening": evening, "night": night,
            },
        })
    };
    modes::ALL.iter().map(mode).collect()
}
