//! What a request says of itself, in its headers or in the first message of a handshake. Nothing is believed here.

use std::time::Duration;

use arrow_flight::{BasicAuth, HandshakeRequest};
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost::Message;
use tonic::{Streaming, metadata::MetadataMap};

use crate::error::{Error, Result};

const AUTHORIZATION: &str = "authorization";
/// Where Flight's older handshake puts the token that it was answered with.
const OLDER_TOKEN: &str = "auth-token-bin";
const COOKIE: &str = "cookie";
const SESSION_COOKIE: &str = "arrow_flight_session_id";
/// Longer values are no session of ours.
const MAX_COOKIE_BYTES: usize = 128;
/// What a client that has no token sends in its place.
const NO_TOKEN: &str = "None";
/// How long a client may take to say who it is.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who a request claims to be from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Offer {
    /// A token.
    Bearer(String),
    /// A user name and a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// Nobody.
    Nothing,
}

/// What the headers say.
///
/// # Errors
/// [`Error::Unauthenticated`] for what cannot be read, and when two headers say two things.
pub(super) fn offer(metadata: &MetadataMap) -> Result<Offer> {
    let mut values = metadata.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return older_offer(metadata);
    };
    if values.any(|other| other != value) {
        return Err(Error::Unauthenticated(
            "the request has two headers 'authorization' that differ: send one".into(),
        ));
    }
    let text = value.to_str().map_err(|_| unreadable())?;
    let (scheme, rest) = text.split_once(' ').ok_or_else(unreadable)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(match rest {
            "" | NO_TOKEN => Offer::Nothing,
            token => Offer::Bearer(token.to_string()),
        });
    }
    if scheme.eq_ignore_ascii_case("basic") {
        return basic(rest).ok_or_else(unreadable);
    }
    Err(unreadable())
}

fn unreadable() -> Error {
    Error::Unauthenticated(
        "the header 'authorization' cannot be read, expected `Basic` with base64 of NAME:PASSWORD, or `Bearer TOKEN`"
            .into(),
    )
}

fn basic(encoded: &str) -> Option<Offer> {
    let text = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Offer::Basic {
        user: user.to_string(),
        password: password.to_string(),
    })
}

fn older_offer(metadata: &MetadataMap) -> Result<Offer> {
    let Some(value) = metadata.get_bin(OLDER_TOKEN) else {
        return Ok(Offer::Nothing);
    };
    let token = value.to_bytes().ok();
    let token = token.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    token
        .map(Offer::Bearer)
        .ok_or_else(|| Error::Unauthenticated(format!("the header '{OLDER_TOKEN}' holds no token")))
}

/// What the first message of a handshake says, for clients that put nothing into headers.
///
/// # Errors
/// [`Error::Unauthenticated`] for a message that is none.
pub(super) async fn payload(messages: &mut Streaming<HandshakeRequest>) -> Result<Offer> {
    let first = tokio::time::timeout(HANDSHAKE_TIMEOUT, messages.message()).await;
    let message = match first {
        Ok(Ok(Some(message))) => message,
        Ok(Ok(None)) | Err(_) => return Ok(Offer::Nothing),
        Ok(Err(status)) => return Err(Error::Unauthenticated(status.message().to_string())),
    };
    let basic = BasicAuth::decode(message.payload).map_err(|_| {
        Error::Unauthenticated(
            "the handshake has no header 'authorization', and its payload is no user name and password"
                .into(),
        )
    })?;
    if basic.username.is_empty() && basic.password.is_empty() {
        return Ok(Offer::Nothing);
    }
    Ok(Offer::Basic {
        user: basic.username,
        password: basic.password,
    })
}

/// The session that the client was told to name.
pub(super) fn session_cookie(metadata: &MetadataMap) -> Option<String> {
    let cookies = metadata.get_all(COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, value)| value.trim_matches('"').to_string())
        .filter(|value| !value.is_empty() && value.len() <= MAX_COOKIE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(&'static str, &str)]) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        for (name, value) in values {
            metadata.append(*name, value.parse().unwrap());
        }
        metadata
    }

    fn offered(value: &str) -> Option<Offer> {
        offer(&headers(&[("authorization", value)])).ok()
    }

    #[test]
    fn each_way_to_say_who_one_is_is_read() {
        let ada = Some(Offer::Basic {
            user: "ada".into(),
            password: "a:b c".into(),
        });
        // base64 of `ada:a:b c`, with the padding that some clients leave out.
        assert!(offered("Basic YWRhOmE6YiBj") == ada);
        assert!(offered("basic YWRhOmE6YiBj") == ada);
        assert!(offered("Bearer abc") == Some(Offer::Bearer("abc".into())));
        assert!(offered("Bearer None") == Some(Offer::Nothing));
        assert!(offer(&headers(&[])).ok() == Some(Offer::Nothing));
        let mut older = MetadataMap::new();
        older.insert_bin(
            OLDER_TOKEN,
            tonic::metadata::MetadataValue::from_bytes(b"abc"),
        );
        assert!(offer(&older).ok() == Some(Offer::Bearer("abc".into())));
    }

    #[test]
    fn padding_of_base64_may_be_left_out() {
        let ab = Some(Offer::Basic {
            user: "a".into(),
            password: "b1".into(),
        });
        assert!(offered("Basic YTpiMQ==") == ab);
        assert!(offered("Basic YTpiMQ") == ab);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for value in ["", "Basic", "Basic !!!", "Basic YWRh", "Digest abc", "abc"] {
            assert!(offered(value).is_none(), "{value}");
        }
        let twice = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert!(offer(&twice).is_err());
        let same = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]);
        assert!(offer(&same).ok() == Some(Offer::Bearer("a".into())));
    }

    #[test]
    fn the_session_is_one_of_many_cookies() {
        let cookie = |text| session_cookie(&headers(&[("cookie", text)]));
        let session = Some("7f".to_string());
        assert_eq!(cookie("arrow_flight_session_id=7f"), session);
        assert_eq!(cookie("a=1; arrow_flight_session_id=\"7f\"; b=2"), session);
        for other in [
            "",
            "a=1",
            "arrow_flight_session_id=",
            "arrow_flight_session_id",
        ] {
            assert_eq!(cookie(other), None, "{other}");
        }
        let long = format!(
            "arrow_flight_session_id={}",
            "x".repeat(MAX_COOKIE_BYTES + 1)
        );
        assert_eq!(cookie(&long), None);
    }
}
