//! How much of a history has audio features, and what is missing.

use std::collections::BTreeSet;

use super::rows::{counts, texts};
use crate::client::Client;
use crate::error::Result;

/// Artists that are named when their tracks are in no catalogue.
const ARTISTS_NAMED: usize = 5;

/// Rows of a catalogue that have features, as `silver.track_features` tells them by `is_analysed`.
const HAS_FEATURES: &str = "duration_ms > 0 and tempo > 0 and coalesce(time_signature > 0, true) \
    and danceability is not null and energy is not null and key is not null \
    and loudness is not null and mode is not null and speechiness is not null \
    and acousticness is not null and instrumentalness is not null and liveness is not null \
    and valence is not null";

/// Music plays of some listeners and how many of them a catalogue describes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    pub(super) plays: u64,
    pub(super) covered: u64,
    /// Different tracks that no catalogue has features of.
    pub(super) missing_tracks: u64,
    /// Artists most played among these, with their plays.
    pub(super) missing_artists: Vec<(String, u64)>,
}

/// Measures the plays of `users`; of everybody, if none is given.
pub(super) async fn measure(client: &Client, users: &BTreeSet<String>) -> Result<Coverage> {
    let music = music(users);
    let (_, batches) = client
        .query(&format!(
            "{music} select count(*), count(catalogue_id), \
             count(distinct case when catalogue_id is null then track_id end) from music"
        ))
        .await?;
    let value = |column: usize| Ok::<_, crate::error::Error>(counts(&batches, column)?[0]);
    let (plays, covered, missing_tracks) = (value(0)?, value(1)?, value(2)?);
    if plays == covered {
        return Ok(Coverage {
            plays,
            covered,
            missing_tracks,
            missing_artists: Vec::new(),
        });
    }
    let (_, batches) = client
        .query(&format!(
            "{music} select artist, count(*) as plays from music \
             where catalogue_id is null and artist is not null \
             group by artist order by plays desc, artist limit {ARTISTS_NAMED}"
        ))
        .await?;
    let artists = texts(&batches, 0)?
        .into_iter()
        .map(Option::unwrap_or_default);
    let missing_artists = artists.zip(counts(&batches, 1)?).collect();
    Ok(Coverage {
        plays,
        covered,
        missing_tracks,
        missing_artists,
    })
}

/// The plays of tracks, each with its id in the catalogues if it has one.
fn music(users: &BTreeSet<String>) -> String {
    let quoted: Vec<String> = users
        .iter()
        .map(|user| format!("'{}'", user.replace('\'', "''")))
        .collect();
    let whose = match quoted.as_slice() {
        [] => String::new(),
        quoted => format!(" and user_id in ({})", quoted.join(", ")),
    };
    format!(
        "with plays as (select master_metadata_album_artist_name as artist, \
         case when starts_with(spotify_track_uri, 'spotify:track:') \
         then substr(spotify_track_uri, 15) else spotify_track_uri end as track_id \
         from bronze.plays_extended where spotify_track_uri is not null{whose}), \
         catalogue as (select distinct track_id as catalogue_id from bronze.catalogue_tracks \
         where {HAS_FEATURES}), \
         music as (select * from plays left join catalogue on track_id = catalogue_id)"
    )
}
