//! What the server signs with: tokens now, and whatever else it hands out and wants to know again.

use std::fmt;

use rand::{RngCore, rngs::OsRng};

use crate::error::{Error, Result};

/// Shorter texts can be tried out: 32 characters of base64 or hex are at least 128 bits.
const MIN_CHARACTERS: usize = 32;

/// A secret of the server: each purpose gets a key of its own from it.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// One that nobody knows, and that ends with the process.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// One that was given: with it what was signed is known again after a restart, and by other servers.
    ///
    /// # Errors
    /// [`Error::Input`] for a text that is too short.
    pub fn from_text(text: &str) -> Result<Self> {
        let characters = text.chars().count();
        if characters < MIN_CHARACTERS {
            return Err(Error::Input(format!(
                "MOODLAKE_SECRET has {characters} characters, expected at least {MIN_CHARACTERS} random ones, \
                 such as `openssl rand -hex 32` prints"
            )));
        }
        Ok(Self(*blake3::hash(text.as_bytes()).as_bytes()))
    }

    /// The key for one purpose, which is told in words.
    #[must_use]
    pub(crate) fn key(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_secret_and_purpose() {
        let text = "0123456789abcdef0123456789abcdef";
        let secret = Secret::from_text(text).unwrap();
        assert_eq!(secret.key("a"), Secret::from_text(text).unwrap().key("a"));
        assert_ne!(secret.key("a"), secret.key("b"));
        assert_ne!(secret.key("a"), Secret::random().key("a"));
        assert_ne!(Secret::random().key("a"), Secret::random().key("a"));
    }

    #[test]
    fn a_secret_is_long_and_never_shown() {
        let message = Secret::from_text("short").unwrap_err().to_string();
        assert!(
            message.contains("MOODLAKE_SECRET") && !message.contains("short "),
            "{message}"
        );
        assert_eq!(format!("{:?}", Secret::random()), "Secret(..)");
    }
}
