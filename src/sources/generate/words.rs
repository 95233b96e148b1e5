//! Invented names: plain words, so that nothing looks like a real artist's work.

use rand::Rng as _;
use rand::seq::SliceRandom;

use super::Rng;

const ADJECTIVES: [&str; 24] = [
    "Amber", "Quiet", "Silver", "Hollow", "Golden", "Distant", "Paper", "Velvet", "Northern",
    "Electric", "Wooden", "Restless", "Gentle", "Crooked", "Midnight", "Early", "Copper", "Late",
    "Frozen", "Painted", "Borrowed", "Salted", "Burning", "Plain",
];
const NOUNS: [&str; 32] = [
    "River", "Window", "Harbour", "Lantern", "Garden", "Mirror", "Road", "Letter", "Station",
    "Orchard", "Winter", "Signal", "Bridge", "Kitchen", "Shadow", "Island", "Summer", "Engine",
    "Meadow", "Tower", "Ocean", "Market", "Feather", "Compass", "Valley", "Room", "Circle",
    "Morning", "Evening", "Field", "Stone", "Cloud",
];
const SYLLABLES: [&str; 24] = [
    "ba", "le", "mo", "ri", "ta", "no", "ve", "lu", "sa", "ki", "do", "fe", "ra", "mi", "zo", "ne",
    "pa", "lo", "shi", "dra", "en", "or", "il", "an",
];
const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of a Spotify id.
const ID_LENGTH: usize = 22;

/// An id such as Spotify's.
pub(super) fn id(rng: &mut Rng) -> String {
    (0..ID_LENGTH)
        .map(|_| char::from(BASE62[rng.gen_range(0..BASE62.len())]))
        .collect()
}

/// A title of one to four words.
pub(super) fn title(rng: &mut Rng) -> String {
    let (adjective, noun) = (pick(&ADJECTIVES, rng), pick(&NOUNS, rng));
    match rng.gen_range(0..5) {
        0 => noun.to_string(),
        1 => format!("{noun} and {}", pick(&NOUNS, rng)),
        2 => format!("The {adjective} {noun}"),
        3 => format!("{adjective} {noun}, Pt. {}", rng.gen_range(1..4)),
        _ => format!("{adjective} {noun}"),
    }
}

/// A made-up artist.
pub(super) fn artist(rng: &mut Rng) -> String {
    let mut name = || {
        let syllables = rng.gen_range(2..4);
        let text: String = (0..syllables).map(|_| pick(&SYLLABLES, rng)).collect();
        text[..1].to_uppercase() + &text[1..]
    };
    let (first, last) = (name(), name());
    match rng.gen_range(0..4) {
        0 => first,
        1 => format!("The {} {}", pick(&ADJECTIVES, rng), pick(&NOUNS, rng)),
        _ => format!("{first} {last}"),
    }
}

fn pick<'a>(words: &[&'a str], rng: &mut Rng) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}
