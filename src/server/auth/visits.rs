//! What the audit keeps of those who came, and of those who were refused.

use std::net::SocketAddr;

use super::header::{self, Offer};
use crate::{
    access::Caller,
    audit::{Event, Outcome},
    engine::Engine,
    error::Error,
    server::service::Credentials,
    statement::without_values,
};

/// Whoever says no name.
const NOBODY: &str = "";
/// A stranger may say anything.
const LONGEST_NAME: usize = 100;

/// A session has begun.
pub(in crate::server) fn came(
    engine: &Engine,
    caller: &Caller,
    address: Option<SocketAddr>,
    session: Option<String>,
) {
    let event = Event::of(caller, "connect").from_address(address);
    engine.audit().note(Event { session, ..event });
}

/// Somebody has shown a password, and was given a token for it.
pub(in crate::server) fn logged_in(engine: &Engine, request: &Credentials) {
    if let Some(user) = claimed(request) {
        let event = Event::new(user, "login").from_address(super::peer(request));
        engine.audit().note(event);
    }
}

/// Somebody was not let in.
pub(in crate::server) fn refused(engine: &Engine, request: &Credentials, error: &Error) {
    let outcome = match error {
        Error::Unauthenticated(_) => Outcome::Failed,
        Error::Denied(_) | Error::Exhausted(_) => Outcome::Denied,
        _ => return,
    };
    engine.metrics().login_failed();
    let user = claimed(request).unwrap_or_else(|| NOBODY.into());
    let event = Event::new(user, "login")
        .from_address(super::peer(request))
        .ended(outcome, without_values(&error.to_string()));
    engine.audit().note(event);
}

/// Who the request says that it is from, before that is proved.
fn claimed(request: &Credentials) -> Option<String> {
    match header::offer(&request.metadata).ok()? {
        Offer::Basic { mut user, .. } => {
            user.truncate(user.floor_char_boundary(LONGEST_NAME));
            Some(user)
        }
        Offer::Bearer(_) | Offer::Nothing => None,
    }
}
