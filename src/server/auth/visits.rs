//! What the audit keeps of those who came, and of those who were refused: of these so much that it is seen, and so little
//! that nobody can fill the disk by being refused.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    certificate,
    header::{self, Offer},
};
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
/// Follows the last refusal that is kept for now.
const MORE: &str = "; more within this minute are counted in moodlake_logins_failed_total only";

/// Refusals are kept so often in this time; all are counted by the metric.
const WINDOW: Duration = Duration::from_mins(1);
const MOST_FROM_ONE_ADDRESS: u32 = 20;
const MOST_IN_ALL: u32 = 300;

/// How many refusals were kept in the last minute.
#[derive(Debug, Default)]
pub(in crate::server) struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    since: Option<Instant>,
    in_all: u32,
    from: HashMap<Option<IpAddr>, u32>,
}

/// What is done with a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Yes,
    /// The last for now.
    Last,
    No,
}

impl Refusals {
    fn keep(&self, from: Option<IpAddr>) -> Kept {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: Instant| since.elapsed() >= WINDOW;
        if window.since.is_none_or(is_over) {
            *window = Window {
                since: Some(Instant::now()),
                ..Window::default()
            };
        }
        if window.in_all >= MOST_IN_ALL {
            return Kept::No;
        }
        let of_this = window.from.entry(from).or_default();
        if *of_this >= MOST_FROM_ONE_ADDRESS {
            return Kept::No;
        }
        *of_this += 1;
        let is_last = *of_this == MOST_FROM_ONE_ADDRESS;
        window.in_all += 1;
        if is_last || window.in_all == MOST_IN_ALL {
            Kept::Last
        } else {
            Kept::Yes
        }
    }
}

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

/// A call was refused for its caller. That of a caller who says nothing is only counted.
pub(in crate::server) fn turned_away(
    engine: &Engine,
    refusals: &Refusals,
    request: &Credentials,
    error: &Error,
) {
    if said_nothing(request) {
        engine.metrics().login_failed();
    } else {
        refused(engine, refusals, request, error);
    }
}

/// Somebody was not let in.
pub(in crate::server) fn refused(
    engine: &Engine,
    refusals: &Refusals,
    request: &Credentials,
    error: &Error,
) {
    let outcome = match error {
        Error::Unauthenticated(_) => Outcome::Failed,
        Error::Denied(_) | Error::Exhausted(_) => Outcome::Denied,
        _ => return,
    };
    engine.metrics().login_failed();
    let address = super::peer(request);
    let kept = refusals.keep(address.map(|address| address.ip()));
    let mut error = without_values(&error.to_string());
    match kept {
        Kept::Yes => {}
        Kept::Last => error.push_str(MORE),
        Kept::No => return,
    }
    let user = claimed(request).unwrap_or_else(|| NOBODY.into());
    let event = Event::new(user, "login")
        .from_address(address)
        .ended(outcome, error);
    engine.audit().note(event);
}

/// Whether neither the headers nor the connection name anybody.
fn said_nothing(request: &Credentials) -> bool {
    let offers_nothing = matches!(header::offer(&request.metadata), Ok(Offer::Nothing));
    offers_nothing && matches!(certificate::subject(&request.extensions), Ok(None))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_kept_so_often_from_one_address_and_in_all() {
        let refusals = Refusals::default();
        let from = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
        let kept = |number, times| {
            let kept = (0..times).map(|_| refusals.keep(from(number)));
            kept.filter(|kept| *kept != Kept::No).collect::<Vec<_>>()
        };
        let one = kept(1, 1000);
        assert_eq!(one.len(), 20);
        assert_eq!((one[0], one[19]), (Kept::Yes, Kept::Last));
        let others = (2..=100).map(|number| kept(number, 1000).len());
        assert_eq!(others.sum::<usize>(), 280);
        if let Some(since) = &mut refusals.0.lock().unwrap().since {
            *since = since.checked_sub(WINDOW).unwrap();
        }
        assert_eq!(kept(1, 1), [Kept::Yes]);
    }
}
