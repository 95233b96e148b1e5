//! Example data with known effects, in the shapes of the real files.
//!
//! A catalogue of tracks (Kaggle's shape) is invented, or taken from a file; listeners are
//! simulated over it and their plays written as Spotify's extended streaming history. What was
//! planted is told in `planted.json`. The same options give the same bytes: nothing here reads a
//! clock, and every draw comes from the seed.

mod bag;
mod export;
mod history;
mod invent;
mod listener;
mod modes;
mod planted;
mod taste;
mod tracks;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use self::history::History;
use self::listener::Listener;
use self::planted::Planted;
use self::taste::Shelves;
use crate::error::{Error, Result};

/// The first day of every history.
const FIRST_DAY: (i32, u32, u32) = (2025, 1, 1);

/// All draws of one purpose.
type Rng = Xoshiro256PlusPlus;

/// What to generate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The folder to write to; made if it is not there.
    pub out: PathBuf,
    /// Listeners.
    pub users: u32,
    /// Days of listening of each, about 27 plays a day.
    pub days: u32,
    /// Tracks to invent.
    pub tracks: u32,
    /// Of all random choices.
    pub seed: u64,
    /// Takes the tracks from this catalogue instead; only histories are written then.
    pub catalog: Option<PathBuf>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The invented catalogue, `OUT/catalogue.csv.gz`.
    pub catalog: Option<PathBuf>,
    /// A folder for each listener, `OUT/history/<user>`.
    pub histories: Vec<PathBuf>,
    /// What is planted, `OUT/planted.json`.
    pub planted: PathBuf,
    /// Rows of all histories.
    pub plays: u64,
    /// The listeners, as their folders are called.
    pub users: Vec<String>,
}

/// Writes a catalogue, histories and an account of what is planted in them.
///
/// # Errors
/// [`Error::Input`] when a given catalogue cannot be used, [`Error::Io`] when writing fails.
pub fn generate(options: &Options) -> Result<Generated> {
    let out = &options.out;
    fs::create_dir_all(out).map_err(Error::io(out))?;
    let (tracks, catalog) = if let Some(path) = &options.catalog {
        (tracks::read(path)?, None)
    } else {
        let tracks = invent::invent(options.tracks as usize, &mut stream(options.seed, 0));
        let path = out.join("catalogue.csv.gz");
        tracks::write(&tracks, &path)?;
        (tracks, Some(path))
    };
    let shelves = Shelves::new(&tracks);
    let mut planted = Planted::new(options, &tracks);
    let (mut histories, mut users, mut plays) = (Vec::new(), Vec::new(), 0);
    for number in 1..=options.users {
        let user = user_name(number, options.users);
        let folder = out.join("history").join(&user);
        let history = listen(&shelves, options, number)?;
        fresh(&folder)?;
        export::write(&history, &tracks, &folder)?;
        planted.add(&user, &history);
        plays += history.plays.len() as u64;
        histories.push(folder);
        users.push(user);
    }
    let path = out.join("planted.json");
    planted.write(&path)?;
    Ok(Generated {
        catalog,
        histories,
        planted: path,
        plays,
        users,
    })
}

/// What one listener played.
fn listen(shelves: &Shelves<'_>, options: &Options, number: u32) -> Result<History> {
    let (year, month, day) = FIRST_DAY;
    let first_day = NaiveDate::from_ymd_opt(year, month, day)
        .ok_or_else(|| Error::Internal("the first day is no date".to_string()))?;
    let rng = stream(options.seed, u64::from(number));
    Ok(Listener::new(shelves, options.days, rng).listen(first_day))
}

/// An independent stream of random numbers for each purpose.
fn stream(seed: u64, purpose: u64) -> Rng {
    // The golden ratio's bits spread neighbouring purposes over all seeds (Steele et al. 2014).
    Rng::seed_from_u64(seed.wrapping_add(purpose.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
}

/// `listener_007` of a hundred.
fn user_name(number: u32, users: u32) -> String {
    let width = users.to_string().len();
    format!("listener_{number:0width$}")
}

/// Makes a folder without histories: what an earlier run left would be imported with the new ones.
fn fresh(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name.starts_with(export::FILE_PREFIX) {
            fs::remove_file(&path).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
