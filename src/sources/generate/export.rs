//! Plays as Spotify's extended streaming history: 23 keys in Spotify's order.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::Serialize;

use super::history::{History, Item, Play};
use super::tracks::Track;
use crate::error::{Error, Result};

/// How the names of all files begin.
pub(super) const FILE_PREFIX: &str = "Streaming_History_Audio_";
/// Spotify's own files end at about 12 MB, which is as many plays.
const PLAYS_PER_FILE: usize = 16_000;
/// An address for examples (RFC 5737); the importer has to drop it.
const IP_ADDRESS: &str = "192.0.2.1";

/// One record.
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are the keys of the export"
)]
#[derive(Serialize, Default)]
struct Row<'a> {
    ts: String,
    platform: &'a str,
    ms_played: i64,
    conn_country: &'a str,
    ip_addr: &'a str,
    master_metadata_track_name: Option<&'a str>,
    master_metadata_album_artist_name: Option<&'a str>,
    master_metadata_album_album_name: Option<&'a str>,
    spotify_track_uri: Option<String>,
    episode_name: Option<String>,
    episode_show_name: Option<&'a str>,
    spotify_episode_uri: Option<String>,
    audiobook_title: Option<&'a str>,
    audiobook_uri: Option<&'a str>,
    audiobook_chapter_uri: Option<&'a str>,
    audiobook_chapter_title: Option<&'a str>,
    reason_start: &'a str,
    reason_end: &'a str,
    shuffle: bool,
    skipped: bool,
    offline: bool,
    offline_timestamp: i64,
    incognito_mode: bool,
}

/// Writes a history into `folder`, by year and in files of Spotify's size.
pub(super) fn write(history: &History, tracks: &[Track], folder: &Path) -> Result<()> {
    let (mut rest, mut number) = (history.plays.as_slice(), 0);
    while let Some(first) = rest.first() {
        let year = instant(first.ended_at).year();
        let is_of_year = |play: &Play| instant(play.ended_at).year() == year;
        let plays = rest
            .iter()
            .take(PLAYS_PER_FILE)
            .take_while(|play| is_of_year(play))
            .count();
        let (file, later) = rest.split_at(plays);
        let path = folder.join(format!("{FILE_PREFIX}{year}_{number}.json"));
        write_file(file, history, tracks, &path)?;
        (rest, number) = (later, number + 1);
    }
    Ok(())
}

fn write_file(plays: &[Play], history: &History, tracks: &[Track], path: &Path) -> Result<()> {
    let failed = || Error::io(path);
    let mut out = BufWriter::new(File::create(path).map_err(failed())?);
    let mut separator: &[u8] = b"[\n";
    for play in plays {
        out.write_all(separator).map_err(failed())?;
        serde_json::to_writer(&mut out, &row(play, history, tracks))
            .map_err(|error| failed()(error.into()))?;
        separator = b",\n";
    }
    out.write_all(b"\n]\n")
        .and_then(|()| out.flush())
        .map_err(failed())
}

fn row<'a>(play: &'a Play, history: &'a History, tracks: &'a [Track]) -> Row<'a> {
    let row = Row {
        ts: instant(play.ended_at).to_rfc3339_opts(SecondsFormat::Secs, true),
        platform: play.device.platform,
        ms_played: play.ended_at - play.started_at,
        conn_country: "XX",
        ip_addr: IP_ADDRESS,
        reason_start: play.reason_start,
        reason_end: play.reason_end,
        shuffle: play.device.shuffle,
        skipped: matches!(play.reason_end, "fwdbtn" | "backbtn"),
        offline: play.device.offline,
        offline_timestamp: play.started_at / 1000,
        ..Row::default()
    };
    let track = match play.item {
        Item::Track(track) => &tracks[track],
        Item::Unlisted(track) => &history.unlisted[track],
        Item::Episode(number) => {
            return Row {
                episode_name: Some(format!("Episode {number}")),
                episode_show_name: Some("An Invented Show"),
                spotify_episode_uri: Some(format!("spotify:episode:{number:022}")),
                ..row
            };
        }
        Item::Nothing => return row,
    };
    Row {
        master_metadata_track_name: Some(&track.name),
        master_metadata_album_artist_name: Some(track.first_artist()),
        master_metadata_album_album_name: Some(&track.album),
        spotify_track_uri: Some(format!("spotify:track:{}", track.id)),
        ..row
    }
}

fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}
