//! The server's own tokens: what a handshake gives, and later requests bring back.
//!
//! A token says for whom it is, which session, and until when, signed by the server. It is tied to the user's entry in
//! the list as it was: another password or role, and it is no token any more, whatever the entry becomes later.

use std::time::{Duration, SystemTime};

use uuid::Uuid;

use crate::{
    access::Access,
    error::{Error, Result},
    server::{clock::Clock, secret::Secret},
};

/// How tokens of ours begin; those of other issuers (JWT) begin with `ey`.
const PREFIX: &str = "moodlake1";
const SIGNING: &str = "moodlake 2026-11 signature of bearer tokens";
const BINDING: &str = "moodlake 2026-11 fingerprint of a user's entry";
/// Enough of a hash to tell two entries apart.
const FINGERPRINT_DIGITS: usize = 32;

/// Makes tokens and knows them again.
pub(super) struct Tokens {
    signing: [u8; 32],
    binding: [u8; 32],
    lifetime: Duration,
    clock: Clock,
}

/// What a token says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claims {
    /// For whom it is.
    pub(super) user: String,
    /// Which session it is.
    pub(super) session: Uuid,
}

/// Whether a token claims to be one of this server.
pub(super) fn is_ours(token: &str) -> bool {
    token.starts_with(PREFIX)
}

impl Tokens {
    pub(super) fn new(secret: &Secret, lifetime: Duration, clock: Clock) -> Self {
        Self {
            signing: secret.key(SIGNING),
            binding: secret.key(BINDING),
            lifetime,
            clock,
        }
    }

    /// A token with a session of its own for a user of this lake.
    ///
    /// # Errors
    /// [`Error::Denied`] for a user of another issuer, who has tokens from there.
    pub(super) fn issue(&self, user: &str, access: &Access) -> Result<String> {
        let Some(fingerprint) = self.fingerprint(user, access) else {
            return Err(Error::Denied(format!(
                "'{user}' is no user of this lake: use the token of their issuer"
            )));
        };
        let expires = seconds(self.clock.now() + self.lifetime);
        let claims = format!(
            "{PREFIX}.{}.{}.{expires}.{fingerprint}",
            hex(user),
            Uuid::new_v4().simple(),
        );
        let signature = self.signature(&claims);
        Ok(format!("{claims}.{signature}"))
    }

    /// What a token says, if it is one of ours and good.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] otherwise.
    pub(super) fn read(&self, token: &str, access: &Access) -> Result<Claims> {
        let (claims, signature) = token.rsplit_once('.').ok_or_else(invalid)?;
        let signature = blake3::Hash::from_hex(signature).map_err(|_| invalid())?;
        // The comparison of two hashes takes the same time wherever they differ.
        if self.signature(claims) != signature {
            return Err(invalid());
        }
        let [prefix, user, session, expires, fingerprint] =
            claims.split('.').collect::<Vec<_>>()[..]
        else {
            return Err(invalid());
        };
        let user = unhex(user).ok_or_else(invalid)?;
        let session = Uuid::try_parse(session).map_err(|_| invalid())?;
        let expires: u64 = expires.parse().map_err(|_| invalid())?;
        if prefix != PREFIX {
            return Err(invalid());
        }
        if expires <= seconds(self.clock.now()) {
            return Err(Error::Unauthenticated(
                "the token has expired: log in again".into(),
            ));
        }
        let Some(now) = self.fingerprint(&user, access) else {
            return Err(Error::Unauthenticated(format!(
                "the token is of '{user}', who is no user of this lake any more: log in as another user"
            )));
        };
        if now != fingerprint {
            return Err(Error::Unauthenticated(
                "the token is of before the user's password or role was changed: log in again"
                    .into(),
            ));
        }
        Ok(Claims { user, session })
    }

    fn signature(&self, claims: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.signing, claims.as_bytes())
    }

    /// Of the user's entry in the list, if there is one.
    fn fingerprint(&self, name: &str, access: &Access) -> Option<String> {
        let (user, change) = access.entry(name)?;
        let password = user.password.as_deref().unwrap_or_default();
        let change = change.unwrap_or_default();
        let entry = format!("{name}\n{}\n{password}\n{change}", user.role);
        let hash = blake3::keyed_hash(&self.binding, entry.as_bytes()).to_hex();
        Some(hash[..FINGERPRINT_DIGITS].to_string())
    }
}

fn invalid() -> Error {
    Error::Unauthenticated(
        "the token is none of this server (or it was restarted without MOODLAKE_SECRET): log in again".into(),
    )
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Names have characters that tokens must not have.
fn hex(text: &str) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    text.bytes()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)])
        .collect()
}

fn unhex(digits: &str) -> Option<String> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|start| u8::from_str_radix(&digits[start..start + 2], 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::{Role, User},
        server::clock::test::{Hand, clock},
    };

    fn access(role: Role, password: &str) -> Access {
        let user = User {
            role,
            password: Some(password.into()),
        };
        let mut access = Access::default();
        access.users.insert("ada@example.org".into(), user.clone());
        access.users.insert("bob".into(), user);
        access
    }

    fn tokens() -> (Tokens, Hand) {
        let (clock, hand) = clock();
        let lifetime = Duration::from_hours(1);
        (Tokens::new(&Secret::random(), lifetime, clock), hand)
    }

    fn refusal(tokens: &Tokens, token: &str, access: &Access) -> String {
        match tokens.read(token, access).unwrap_err() {
            Error::Unauthenticated(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_is_known_again_until_it_expires() {
        let (tokens, hand) = tokens();
        let access = access(Role::Analyst, "kept");
        let token = tokens.issue("ada@example.org", &access).unwrap();
        assert!(is_ours(&token));
        let claims = tokens.read(&token, &access).unwrap();
        assert_eq!(claims.user, "ada@example.org");
        let other = tokens.issue("ada@example.org", &access).unwrap();
        assert_ne!(
            tokens.read(&other, &access).unwrap().session,
            claims.session
        );
        hand.advance(Duration::from_mins(59));
        assert_eq!(tokens.read(&token, &access).unwrap(), claims);
        hand.advance(Duration::from_mins(1));
        assert!(refusal(&tokens, &token, &access).contains("expired"));
    }

    #[test]
    fn every_part_of_a_token_is_signed() {
        let (tokens, _) = tokens();
        let access = access(Role::Analyst, "kept");
        let token = tokens.issue("bob", &access).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 6);
        for changed in 0..parts.len() {
            let mut parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
            let last = parts[changed].pop().unwrap();
            parts[changed].push(if last == '1' { '2' } else { '1' });
            let message = refusal(&tokens, &parts.join("."), &access);
            assert!(
                message.contains("none of this server"),
                "{changed}: {message}"
            );
        }
        for broken in [
            "moodlake1",
            "moodlake1.",
            "moodlake1.....",
            &token[..token.len() - 1],
        ] {
            assert!(refusal(&tokens, broken, &access).contains("none of this server"));
        }
        let (others, _) = self::tokens();
        assert!(refusal(&others, &token, &access).contains("none of this server"));
    }

    #[test]
    fn a_token_ends_with_the_entry_that_it_is_of() {
        let (tokens, _) = tokens();
        let before = access(Role::Analyst, "kept");
        let token = tokens.issue("bob", &before).unwrap();
        for after in [
            access(Role::Admin, "kept"),
            access(Role::Analyst, "another"),
        ] {
            assert!(refusal(&tokens, &token, &after).contains("log in again"));
        }
        let removed = refusal(&tokens, &token, &Access::default());
        assert!(removed.contains("'bob'") && removed.contains("no user"));
        assert!(tokens.issue("carol", &before).is_err());
    }
}
