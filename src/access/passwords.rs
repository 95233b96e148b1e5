//! Passwords: what is kept of them, and whether one is right.
//!
//! Nothing here ever shows a password, not even in an error.

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};

use crate::error::{Error, Result};

/// Memory, passes and lanes of argon2id: the first choice of the OWASP Password Storage Cheat Sheet (2025), "m=19456
/// (19 MiB), t=2, p=1".
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// NIST SP 800-63B (2025), section 3.1.1: shorter ones are guessed.
const MIN_CHARACTERS: usize = 8;
/// Far more than anybody types; what is longer only keeps the machine busy.
const MAX_BYTES: usize = 1024;

/// A hash that no password has, for users who are not there: looking them up takes as long as looking up others.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmUgMQ$\
                     qS1mJbhTqFJzYyAHm1iPqVb0cTbq1cH1qW9oK0o5B7E";

/// What is kept of a password: a PHC string with a salt of its own.
///
/// # Errors
/// [`Error::Input`] for a password that is too short or too long.
pub fn hash(password: &str) -> Result<String> {
    if password.chars().count() < MIN_CHARACTERS || password.len() > MAX_BYTES {
        return Err(Error::Input(format!(
            "the password has {} characters, expected at least {MIN_CHARACTERS}, and at most {MAX_BYTES} bytes",
            password.chars().count()
        )));
    }
    let hashed: Result<PasswordHash, _> = hasher()?.hash_password(password.as_bytes());
    match hashed {
        Ok(hash) => Ok(hash.to_string()),
        Err(error) => Err(Error::Internal(format!("password: {error}"))),
    }
}

/// Whether `password` is the one that `kept` was made of. It takes some 20 ms of one core, with or without `kept`.
#[must_use]
pub fn is_right(password: &str, kept: Option<&str>) -> bool {
    let hash = kept.unwrap_or(DECOY);
    let fits = password.len() <= MAX_BYTES
        && Argon2::default()
            .verify_password(password.as_bytes(), hash)
            .is_ok();
    fits && kept.is_some()
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| Error::Internal(format!("argon2: {error}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_is_right() {
        let kept = hash("correct horse").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(is_right("correct horse", Some(&kept)));
        for wrong in ["", "correct", "correct horse ", "Correct horse"] {
            assert!(!is_right(wrong, Some(&kept)), "{wrong:?}");
        }
        assert!(!is_right("correct horse", Some("no hash")));
    }

    #[test]
    fn one_password_twice_is_kept_as_two_texts() {
        assert_ne!(
            hash("correct horse").unwrap(),
            hash("correct horse").unwrap()
        );
    }

    #[test]
    fn a_user_who_is_not_there_is_looked_up_at_the_same_cost() {
        let decoy = PasswordHash::new(DECOY).unwrap();
        let kept = PasswordHash::new(&hash("correct horse").unwrap()).unwrap();
        assert_eq!(decoy.params, kept.params);
        assert_eq!(decoy.hash.unwrap().len(), kept.hash.unwrap().len());
        assert!(!is_right("correct horse", None));
    }

    #[test]
    fn a_password_that_is_too_short_is_not_repeated() {
        let message = hash("geheim").unwrap_err().to_string();
        assert!(message.contains("at least 8") && !message.contains("geheim"));
        assert!(hash(&"x".repeat(MAX_BYTES + 1)).is_err());
    }
}
