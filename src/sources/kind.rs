//! What a file is, told by its first bytes and not by its name.

/// What Moodlake can make of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Spotify's extended streaming history, current or legacy.
    History,
    /// The streaming history of Spotify's "account data" package.
    AccountData,
    /// An answer of Spotify's Web API to `/me/player/recently-played`.
    RecentlyPlayed,
    /// An answer of a Web API with audio features.
    AudioFeatures,
    /// A table of tracks with audio features, as CSV.
    Catalogue,
    /// JSON, but none of the above.
    OtherJson,
    /// Anything else.
    Other,
}

/// Bytes of a file that are read to tell its kind: several records of any export.
pub(crate) const HEAD_BYTES: usize = 16 * 1024;

/// What to request from Spotify, said by every refusal.
const REQUEST: &str = "request 'Extended streaming history' at \
    https://www.spotify.com/account/privacy/ and import the .zip that Spotify sends";

impl Kind {
    /// The kind of a file that begins with `head`.
    pub(crate) fn of(head: &[u8]) -> Self {
        let text = head
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(head)
            .trim_ascii_start();
        match text.first() {
            Some(b'[') if has_key(text, "ts") && has_key(text, "ms_played") => Self::History,
            // An export's part of a year without any.
            Some(b'[') if text[1..].trim_ascii() == b"]" => Self::History,
            Some(b'[') if has_key(text, "endTime") && has_key(text, "msPlayed") => {
                Self::AccountData
            }
            Some(b'{' | b'[') if has_key(text, "played_at") => Self::RecentlyPlayed,
            Some(b'{') if has_key(text, "items") && has_key(text, "cursors") => {
                Self::RecentlyPlayed
            }
            Some(b'{' | b'[')
                if has_key(text, "audio_features") || has_key(text, "danceability") =>
            {
                Self::AudioFeatures
            }
            Some(b'{' | b'[') => Self::OtherJson,
            Some(_) if is_catalogue_header(text) => Self::Catalogue,
            _ => Self::Other,
        }
    }

    /// Why a file that holds listening or features is not read, and what to do instead.
    pub(crate) fn refusal(self) -> Option<String> {
        match self {
            Self::AccountData => Some(format!(
                "account data (StreamingHistory: endTime, artistName, msPlayed), which has no \
                 track ids; {REQUEST}"
            )),
            Self::RecentlyPlayed => Some(format!(
                "a Web API answer (recently played), which has no ms_played; {REQUEST}"
            )),
            Self::AudioFeatures => Some(
                "a Web API answer (audio features); give a catalogue of tracks as CSV instead"
                    .to_string(),
            ),
            Self::History | Self::Catalogue | Self::OtherJson | Self::Other => None,
        }
    }
}

/// Whether `"key"` followed by a colon occurs in `text`.
fn has_key(text: &[u8], key: &str) -> bool {
    let quoted = format!("\"{key}\"");
    let quoted = quoted.as_bytes();
    let mut rest = text;
    while let Some(at) = rest
        .windows(quoted.len())
        .position(|window| window == quoted)
    {
        rest = &rest[at + quoted.len()..];
        if rest.trim_ascii_start().first() == Some(&b':') {
            return true;
        }
    }
    false
}

/// Whether the first line names a track id, or at least two audio features.
fn is_catalogue_header(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else {
        return false;
    };
    let names: Vec<String> = line
        .split(',')
        .map(|name| name.trim().trim_matches('"').to_ascii_lowercase())
        .collect();
    let has = |name: &str| names.iter().any(|candidate| candidate == name);
    let features = ["danceability", "energy", "valence", "tempo", "loudness"];
    features.iter().filter(|feature| has(feature)).count() + usize::from(has("track_id")) >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_told_by_content() {
        let cases: [(&str, Kind); 11] = [
            ("\u{feff}[{\"ts\": \"x\", \"ms_played\": 1}]", Kind::History),
            (
                "[\n {\"endTime\":\"2026-03-01 07:58\",\"msPlayed\":1}]",
                Kind::AccountData,
            ),
            ("{\"items\": [], \"cursors\": null}", Kind::RecentlyPlayed),
            (
                "{\"items\": [{\"played_at\": \"x\"}]}",
                Kind::RecentlyPlayed,
            ),
            ("{\"audio_features\": [null]}", Kind::AudioFeatures),
            (
                "{\"content\": [{\"danceability\": 0.1}]}",
                Kind::AudioFeatures,
            ),
            ("{\"playlists\": \"ts ms_played\"}", Kind::OtherJson),
            (",track_id,artists,danceability\n", Kind::Catalogue),
            ("\"valence\",\"energy\"\n", Kind::Catalogue),
            ("[\n]\n", Kind::History),
            ("name,address\n", Kind::Other),
        ];
        for (head, kind) in cases {
            assert_eq!(Kind::of(head.as_bytes()), kind, "{head}");
        }
    }

    #[test]
    fn a_value_is_not_a_key() {
        assert_eq!(
            Kind::of(b"[{\"a\": \"ts\", \"b\": \"ms_played\"}]"),
            Kind::OtherJson
        );
    }
}
