//! A simulated listener: days, sessions and plays.

use std::collections::VecDeque;

use chrono::{Datelike, Duration, NaiveDate, Weekday};
use rand::Rng as _;
use rand_distr::{Distribution, StandardNormal};

use super::Rng;
use super::bag::Bag;
use super::history::{Device, History, Item, Play, Session};
use super::modes;
use super::taste::{self, DAYPARTS, Shelves, Taste};
use super::tracks::Track;
use super::words;

/// Completed plays of instrumental tracks over those of others, as shares.
pub(super) const INSTRUMENTAL_COMPLETION_RATIO: f64 = 0.7;
/// The share of plays that other tracks are played to their end.
pub(super) const COMPLETION: f64 = 0.74;
/// Plays that an average day has.
const PLAYS_PER_DAY: usize = 27;
/// Stretches of a history that each bring new tracks.
const EPOCHS: usize = 4;
/// The share of plays of tracks that no catalogue has.
const UNLISTED: f64 = 0.07;
const UNLISTED_TRACKS: usize = 60;
/// A track does not come again within so many plays of its session.
const RECENT: usize = 6;
/// Silence that separates sessions, beyond the 30 minutes that end one.
const SILENCE_MS: i64 = 45 * MINUTE_MS;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// The chance of a podcast after a session.
const PODCAST: f64 = 0.05;
/// The chance that the app ends without having played anything.
const GHOST: f64 = 0.02;

/// A part of the day, in hours since midnight; the night goes on past it.
struct Daypart {
    from: i64,
    to: i64,
    /// When sessions usually begin, and how far from it they do.
    usual: f64,
    spread: f64,
    /// The chance of a session on a working day, and on a Saturday or Sunday.
    chances: [f64; 2],
}

const DAY: [Daypart; DAYPARTS] = [
    Daypart {
        from: 6,
        to: 12,
        usual: 7.8,
        spread: 0.7,
        chances: [0.78, 0.50],
    },
    Daypart {
        from: 12,
        to: 17,
        usual: 13.6,
        spread: 1.2,
        chances: [0.42, 0.66],
    },
    Daypart {
        from: 17,
        to: 22,
        usual: 18.4,
        spread: 0.9,
        chances: [0.82, 0.86],
    },
    Daypart {
        from: 22,
        to: 29,
        usual: 22.5,
        spread: 0.5,
        chances: [0.24, 0.38],
    },
];

/// Somebody who listens, day after day.
pub(super) struct Listener<'a> {
    shelves: &'a Shelves<'a>,
    days: u32,
    tastes: Vec<Taste>,
    /// By stretch of time and daypart.
    cells: Vec<Vec<Bag>>,
    /// Whether a play is completed: of other tracks, and of instrumental ones.
    completions: [Bag; 2],
    modes: [Bag; DAYPARTS],
    history: History,
    silent_since: i64,
    rng: Rng,
}

impl<'a> Listener<'a> {
    /// A listener with tastes of their own, drawn from `rng`.
    pub(super) fn new(shelves: &'a Shelves<'a>, days: u32, mut rng: Rng) -> Self {
        let plays = days as usize * PLAYS_PER_DAY;
        let tastes: Vec<Taste> = taste::likings(shelves, plays, EPOCHS, &mut rng)
            .iter()
            .map(|likings| Taste::new(shelves, likings))
            .collect();
        let bags = |taste: &Taste| taste.cell_chances.iter().cloned().map(Bag::new).collect();
        let completed = |share: f64| Bag::new(vec![share, 1.0 - share]);
        let modes = |daypart| {
            Bag::new(
                modes::ALL
                    .iter()
                    .map(|mode| mode.chances[daypart])
                    .collect(),
            )
        };
        let unlisted = (0..UNLISTED_TRACKS).map(|_| unlisted(&mut rng)).collect();
        Self {
            shelves,
            days,
            cells: tastes.iter().map(bags).collect(),
            tastes,
            completions: [
                completed(COMPLETION),
                completed(COMPLETION * INSTRUMENTAL_COMPLETION_RATIO),
            ],
            modes: std::array::from_fn(modes),
            history: History {
                unlisted,
                ..History::default()
            },
            silent_since: i64::MIN / 2,
            rng,
        }
    }

    /// Lives through all days, in UTC.
    pub(super) fn listen(mut self, first_day: NaiveDate) -> History {
        for day in 0..self.days {
            let date = first_day + Duration::days(i64::from(day));
            let midnight = date
                .and_time(chrono::NaiveTime::MIN)
                .and_utc()
                .timestamp_millis();
            let is_weekend = matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
            let epoch = day as usize * EPOCHS / self.days as usize;
            for (daypart, times) in DAY.iter().enumerate() {
                if self.rng.gen_bool(times.chances[usize::from(is_weekend)]) {
                    self.session(midnight, daypart, epoch);
                }
            }
        }
        self.history
    }

    /// A session that lies within its daypart: what would end after it is not begun.
    fn session(&mut self, midnight: i64, daypart: usize, epoch: usize) {
        let times = &DAY[daypart];
        let usual = (times.usual + times.spread * self.normal()) * ms(HOUR_MS);
        let earliest = midnight + times.from * HOUR_MS + self.rng.gen_range(1..20) * MINUTE_MS;
        let end = midnight + times.to * HOUR_MS - MINUTE_MS;
        let start = (midnight + whole(usual))
            .max(earliest)
            .max(self.silent_since + SILENCE_MS);
        if start + 20 * MINUTE_MS > end {
            return;
        }
        let mode = self.modes[daypart].draw(&mut self.rng);
        let device = self.device();
        let wanted = whole((2.4 + 0.5 * self.normal()).exp()).clamp(5, 45);
        let (mut now, mut reason_start, mut recent) = (start, self.opening(), VecDeque::new());
        let first = self.history.plays.len();
        for _ in 0..wanted {
            let Some(item) = self.choose(mode, epoch, daypart, &recent) else {
                break;
            };
            let (played, reason_end) = self.play(item);
            if now + played > end {
                break;
            }
            let ended_at = now + played;
            let play = Play {
                item,
                started_at: now,
                ended_at,
                reason_start,
                reason_end,
                device,
            };
            self.history.plays.push(play);
            recent.push_front(item);
            recent.truncate(RECENT);
            reason_start = following(reason_end);
            now = ended_at + self.pause();
            self.silent_since = ended_at;
        }
        let plays = self.history.plays.len() - first;
        if plays > 0 {
            self.history.sessions.push(Session {
                started_at: start,
                mode,
                plays,
            });
        }
        self.after_session(device, end);
    }

    fn choose(
        &mut self,
        mode: usize,
        epoch: usize,
        daypart: usize,
        recent: &VecDeque<Item>,
    ) -> Option<Item> {
        if self.rng.gen_bool(UNLISTED) {
            return Some(Item::Unlisted(self.rng.gen_range(0..UNLISTED_TRACKS)));
        }
        let cell = self.cells[epoch][daypart].draw(&mut self.rng);
        let mut draw = || {
            self.tastes[epoch]
                .choose(mode, cell, &mut self.rng)
                .map(Item::Track)
        };
        let mut item = draw();
        // The cell stays: only which of its tracks comes is drawn again.
        for _ in 0..3 {
            if item.is_some_and(|item| recent.contains(&item)) {
                item = draw();
            }
        }
        item
    }

    /// For how long a track sounds, in ms, and why it ends.
    fn play(&mut self, item: Item) -> (i64, &'static str) {
        let (duration, is_instrumental) = match item {
            Item::Track(track) => (
                self.shelves.tracks[track].duration_ms,
                self.shelves.is_instrumental(track),
            ),
            Item::Unlisted(track) => (self.history.unlisted[track].duration_ms, false),
            Item::Episode(_) | Item::Nothing => (0, false),
        };
        if self.completions[usize::from(is_instrumental)].draw(&mut self.rng) == 0 {
            return if self.rng.gen_bool(0.95) {
                (duration, "trackdone")
            } else {
                (self.part(duration, 0.91, 0.99), "fwdbtn")
            };
        }
        match self.rng.gen_range(0..100) {
            0..3 => (0, "trackerror"),
            3..70 => {
                let most = self.rng.gen_range(0.04..0.49);
                (self.part(duration, 0.01, most), "fwdbtn")
            }
            70..80 => (self.part(duration, 0.01, 0.3), "backbtn"),
            80..92 => (self.part(duration, 0.5, 0.88), "fwdbtn"),
            _ => (self.part(duration, 0.2, 0.88), "endplay"),
        }
    }

    fn part(&mut self, duration: i64, least: f64, most: f64) -> i64 {
        whole(ms(duration) * self.rng.gen_range(least..most.max(least + 0.01)))
    }

    /// A podcast, or an app that is opened and closed, once the music is over.
    fn after_session(&mut self, device: Device, end: i64) {
        let started_at = self.silent_since + SILENCE_MS;
        let (item, played, reason_end) = if self.rng.gen_bool(PODCAST) {
            let episode = Item::Episode(self.rng.gen_range(1..200));
            (episode, self.rng.gen_range(8..40) * MINUTE_MS, "endplay")
        } else if self.rng.gen_bool(GHOST) {
            (Item::Nothing, 0, "unexpected-exit-while-paused")
        } else {
            return;
        };
        let ended_at = started_at + played;
        if ended_at < end {
            let reason_start = if item == Item::Nothing {
                "appload"
            } else {
                "clickrow"
            };
            let play = Play {
                item,
                started_at,
                ended_at,
                reason_start,
                reason_end,
                device,
            };
            self.history.plays.push(play);
            self.silent_since = ended_at;
        }
    }

    fn device(&mut self) -> Device {
        let platform = match self.rng.gen_range(0..10) {
            0..6 => "android",
            6..8 => "web_player",
            _ => "windows",
        };
        let is_phone = platform == "android";
        Device {
            platform,
            shuffle: self.rng.gen_bool(0.4),
            offline: is_phone && self.rng.gen_bool(0.08),
        }
    }

    fn opening(&mut self) -> &'static str {
        match self.rng.gen_range(0..4) {
            0 => "playbtn",
            1 => "appload",
            _ => "clickrow",
        }
    }

    /// Seconds between two plays, now and then some minutes; never enough to end a session.
    fn pause(&mut self) -> i64 {
        if self.rng.gen_bool(0.04) {
            self.rng.gen_range(30_000..8 * MINUTE_MS)
        } else {
            self.rng.gen_range(0..3_000)
        }
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.rng)
    }
}

/// Why a play begins after one that ended so.
fn following(reason_end: &'static str) -> &'static str {
    match reason_end {
        "fwdbtn" | "backbtn" | "trackdone" => reason_end,
        "trackerror" => "trackdone",
        _ => "clickrow",
    }
}

fn unlisted(rng: &mut Rng) -> Track {
    let spread: f64 = StandardNormal.sample(rng);
    Track {
        id: words::id(rng),
        artists: words::artist(rng),
        album: words::title(rng),
        name: words::title(rng),
        duration_ms: whole(210_000.0 * (0.2 * spread).exp()),
        ..Track::default()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "durations are far below 2^53 ms"
)]
fn ms(duration: i64) -> f64 {
    duration as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "durations are far below 2^63 ms"
)]
fn whole(value: f64) -> i64 {
    value as i64
}
