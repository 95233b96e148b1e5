//! Sessions: what a client chose for its statements, and its temporary tables, found again by the token, the cookie or the
//! connection of its next call. And transactions, answered honestly: every statement commits by itself.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use uuid::Uuid;

use super::{
    clock::Clock,
    handles::{Capacity, Principal},
    messages::{
        CLOSED, CloseSessionResult, INVALID_NAME, INVALID_VALUE, OptionError, OptionValue,
        SessionOptionValue, SessionOptions, SetSessionOptionsResult,
    },
    service::Service,
};
use crate::{
    access::Caller,
    engine::Session,
    error::{Error, Result},
    statement::{Setting, SettingName},
};

/// The cookie that names a session.
pub(crate) const SESSION_COOKIE: &str = "arrow_flight_session_id";

/// By what a client is known at its next call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum SessionKey {
    /// The session that its token names.
    Token(Uuid),
    /// The cookie that it was given.
    Cookie(String),
    /// Its connection, when it takes neither.
    Connection(SocketAddr),
}

/// How many sessions there may be, and how long one is kept that nobody uses; zero is for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionLimits {
    pub(crate) capacity: Capacity,
    pub(crate) unused: Duration,
}

/// The sessions of all clients, each of one principal.
#[derive(Debug)]
pub(crate) struct Sessions {
    limits: SessionLimits,
    clock: Clock,
    kept: Mutex<HashMap<(Principal, SessionKey), Arc<Kept>>>,
}

#[derive(Debug)]
struct Kept {
    id: Uuid,
    session: Arc<Session>,
    cookie: String,
    /// Whether the client came back with it: then the session outlives the connection.
    is_carried: AtomicBool,
    used_at: Mutex<SystemTime>,
}

/// A client's session, for one call.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) session: Arc<Session>,
    /// What it is called in lists.
    pub(crate) id: Option<Uuid>,
    /// Whether this is its first call.
    pub(crate) is_new: bool,
    /// To be sent to a client that has nothing better to name its session by than its connection.
    pub(crate) cookie: Option<String>,
}

impl Sessions {
    pub(crate) fn new(limits: SessionLimits, clock: Clock) -> Self {
        Self {
            limits,
            clock,
            kept: Mutex::default(),
        }
    }

    /// The session of a call: the one of its key, or a new one, for which another of the caller's may have to end. A cookie
    /// that is unknown counts for nothing.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when there are as many sessions as there may be, and none can end.
    pub(crate) fn enter(
        &self,
        caller: &Caller,
        key: SessionKey,
        connection: Option<SocketAddr>,
    ) -> Result<Entered> {
        let owner = Principal::from(caller);
        let is_known_by_cookie = matches!(key, SessionKey::Cookie(_));
        let is_named = is_known_by_cookie || matches!(key, SessionKey::Token(_));
        let place = (owner, key);
        let now = self.clock.now();
        let mut kept = self.lock();
        if let Some(found) = self.find(&mut kept, &place, now) {
            if is_known_by_cookie {
                found.is_carried.store(true, Ordering::Relaxed);
            }
            return Ok(Entered {
                session: Arc::clone(&found.session),
                id: Some(found.id),
                is_new: false,
                cookie: (!is_named).then(|| found.cookie.clone()),
            });
        }
        if is_known_by_cookie {
            let Some(connection) = connection else {
                return Ok(Entered {
                    session: Arc::default(),
                    id: None,
                    is_new: false,
                    cookie: None,
                });
            };
            drop(kept);
            return self.enter(caller, SessionKey::Connection(connection), None);
        }
        self.make_room(&mut kept, &place.0, now)?;
        let new = Arc::new(Kept {
            id: Uuid::now_v7(),
            session: Arc::default(),
            cookie: Uuid::new_v4().to_string(),
            is_carried: AtomicBool::new(false),
            used_at: Mutex::new(now),
        });
        let entered = Entered {
            session: Arc::clone(&new.session),
            id: Some(new.id),
            is_new: true,
            cookie: (!is_named).then(|| new.cookie.clone()),
        };
        if !is_named {
            let by_cookie = SessionKey::Cookie(new.cookie.clone());
            kept.insert((place.0.clone(), by_cookie), Arc::clone(&new));
        }
        kept.insert(place, new);
        Ok(entered)
    }

    /// Ends a session, by whatever it is known.
    pub(crate) fn close(&self, session: &Arc<Session>) {
        session.close();
        let mut kept = self.lock();
        kept.retain(|_, kept| !Arc::ptr_eq(&kept.session, session));
    }

    /// A connection has ended, and with it the sessions that nothing else names.
    pub(crate) fn left(&self, client: SocketAddr) {
        let mut kept = self.lock();
        let is_its = |key: &SessionKey| *key == SessionKey::Connection(client);
        let gone: Vec<Arc<Kept>> = kept
            .iter()
            .filter(|((_, key), kept)| is_its(key) && !kept.is_carried.load(Ordering::Relaxed))
            .map(|(_, kept)| Arc::clone(kept))
            .collect();
        kept.retain(|(_, key), kept| {
            !is_its(key) && !gone.iter().any(|gone| Arc::ptr_eq(gone, kept))
        });
        drop(kept);
        for gone in gone {
            gone.session.close();
        }
    }

    /// Ends those that nobody used for too long.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now();
        self.remove_unused(&mut self.lock(), now);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        count(&self.lock(), None)
    }

    fn find(
        &self,
        kept: &mut Table,
        place: &(Principal, SessionKey),
        now: SystemTime,
    ) -> Option<Arc<Kept>> {
        let found = Arc::clone(kept.get(place)?);
        if self.has_expired(&found, now) {
            end(kept, &found);
            return None;
        }
        found.use_at(now);
        Some(found)
    }

    fn make_room(&self, kept: &mut Table, owner: &Principal, now: SystemTime) -> Result<()> {
        let Capacity { per_user, in_all } = self.limits.capacity;
        // Keys are counted first: there are at least as many as sessions.
        if kept.len() < per_user.min(in_all) {
            return Ok(());
        }
        let is_full = |kept: &Table| count(kept, None) >= in_all;
        let is_full_for_owner = |kept: &Table| count(kept, Some(owner)) >= per_user;
        if !is_full(kept) && !is_full_for_owner(kept) {
            return Ok(());
        }
        self.remove_unused(kept, now);
        if is_full_for_owner(kept)
            && !end_idle(kept, Some(owner), Session::is_plain)
            && !end_idle(kept, Some(owner), |_| true)
        {
            return Err(Error::Exhausted(format!(
                "sessions: {} has {per_user}, the most that one user may have, and all are in use: close some, \
                 or raise --user-sessions",
                owner.user()
            )));
        }
        if is_full(kept)
            && !end_idle(kept, None, Session::is_plain)
            && !end_idle(kept, Some(owner), |_| true)
        {
            return Err(Error::Exhausted(format!(
                "sessions: the server keeps {in_all}, the most that it may: close some, try again later, \
                 or raise --max-sessions"
            )));
        }
        Ok(())
    }

    fn remove_unused(&self, kept: &mut Table, now: SystemTime) {
        kept.retain(|_, kept| {
            let has_expired = self.has_expired(kept, now);
            if has_expired {
                kept.session.close();
            }
            !has_expired
        });
    }

    fn has_expired(&self, kept: &Kept, now: SystemTime) -> bool {
        let unused = self.limits.unused;
        let ends_at = kept.used_at().checked_add(unused);
        !unused.is_zero() && ends_at.is_some_and(|ends_at| now >= ends_at)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Table = HashMap<(Principal, SessionKey), Arc<Kept>>;

impl Kept {
    fn used_at(&self) -> SystemTime {
        *self.used_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn use_at(&self, now: SystemTime) {
        *self.used_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Whether no call of it is under way, which would hold the session.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.session) == 1
    }
}

/// How many sessions there are, of one principal or of all; several keys may lead to one.
fn count(kept: &Table, owner: Option<&Principal>) -> usize {
    let own = kept
        .iter()
        .filter(|((principal, _), _)| owner.is_none_or(|owner| owner == principal));
    let sessions: HashSet<Uuid> = own.map(|(_, kept)| kept.id).collect();
    sessions.len()
}

/// Ends the session unused for longest of those without a call under way that `may_end`. Returns whether there was one.
fn end_idle(
    kept: &mut Table,
    owner: Option<&Principal>,
    may_end: impl Fn(&Session) -> bool,
) -> bool {
    let oldest = kept
        .iter()
        .filter(|((principal, _), _)| owner.is_none_or(|owner| owner == principal))
        .filter(|(_, kept)| kept.is_idle() && may_end(&kept.session))
        .min_by_key(|(_, kept)| kept.used_at())
        .map(|(_, oldest)| Arc::clone(oldest));
    if let Some(oldest) = &oldest {
        end(kept, oldest);
    }
    oldest.is_some()
}

fn end(kept: &mut Table, ended: &Arc<Kept>) {
    ended.session.close();
    kept.retain(|_, kept| !Arc::ptr_eq(kept, ended));
}

impl Service {
    /// `SetSessionOptions`: sets what can be set, and says of the rest what is wrong with it.
    pub(super) fn set_options(&self, request: &SessionOptions) -> SetSessionOptionsResult {
        let wrong = request.options.iter().filter_map(|(name, value)| {
            let value = self.set_option(name, value).err()?;
            Some((name.clone(), OptionError { value }))
        });
        SetSessionOptionsResult {
            errors: wrong.collect(),
        }
    }

    fn set_option(&self, name: &str, value: &SessionOptionValue) -> Result<(), i32> {
        let known = SettingName::ALL.into_iter();
        let name = known.into_iter().find(|known| known.as_str() == name);
        let name = name.ok_or(INVALID_NAME)?;
        let setting = match &value.value {
            None => Setting::Reset(name),
            Some(OptionValue::String(text)) => Setting::Change {
                name,
                value: text.clone(),
            },
            Some(_) => return Err(INVALID_VALUE),
        };
        self.engine.set(&setting).map_err(|error| {
            tracing::debug!(%error, "a session option was refused");
            INVALID_VALUE
        })
    }

    /// `GetSessionOptions`.
    pub(super) fn options(&self) -> SessionOptions {
        let settings = self.engine.session().settings();
        let options = SettingName::ALL.map(|name| {
            let value = Some(OptionValue::String(name.value(&settings).to_string()));
            (name.as_str().to_string(), SessionOptionValue { value })
        });
        SessionOptions {
            options: options.into(),
        }
    }

    /// `CloseSession`: the next call begins a new one.
    pub(super) fn close_session(&self) -> CloseSessionResult {
        self.shared.sessions.close(self.engine.session());
        CloseSessionResult { status: CLOSED }
    }
}

/// Why transactions are refused, and what to do.
pub(crate) fn no_transactions() -> Error {
    Error::Unsupported(
        "transactions are not supported: every statement commits by itself (use autocommit)".into(),
    )
}

/// Refuses a statement that names a transaction, which no client can have from here.
pub(crate) fn refuse_transaction(id: Option<&Bytes>) -> Result<()> {
    match id {
        Some(id) if !id.is_empty() => Err(no_transactions()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::Role,
        server::clock::test::{Hand, clock},
    };

    const UNUSED: Duration = Duration::from_mins(30);

    fn sessions(per_user: usize, in_all: usize) -> (Sessions, Hand) {
        let (clock, hand) = clock();
        let limits = SessionLimits {
            capacity: Capacity { per_user, in_all },
            unused: UNUSED,
        };
        (Sessions::new(limits, clock), hand)
    }

    fn user(name: &str) -> Caller {
        Caller::user(name, Role::Analyst)
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn connection(port: u16) -> SessionKey {
        SessionKey::Connection(address(port))
    }

    /// Enters, and leaves a mark in the session.
    fn enter(sessions: &Sessions, name: &str, key: SessionKey, schema: &str) -> Entered {
        let entered = sessions.enter(&user(name), key, None).unwrap();
        let schema = schema.to_string();
        entered.session.change(|settings| settings.schema = schema);
        entered
    }

    fn schema(sessions: &Sessions, name: &str, key: SessionKey) -> String {
        let entered = sessions.enter(&user(name), key, Some(address(99))).unwrap();
        entered.session.settings().schema.clone()
    }

    #[test]
    fn a_session_is_found_by_connection_and_by_the_cookie_that_was_given() {
        let (sessions, _) = sessions(8, 8);
        let first = enter(&sessions, "ann", connection(1), "silver");
        let cookie = SessionKey::Cookie(first.cookie.unwrap());
        assert_eq!(schema(&sessions, "ann", cookie.clone()), "silver");
        assert_eq!(schema(&sessions, "ann", connection(1)), "silver");
        assert_eq!(schema(&sessions, "ann", connection(2)), "gold");
        let token = SessionKey::Token(Uuid::new_v4());
        assert!(
            enter(&sessions, "ann", token.clone(), "bronze")
                .cookie
                .is_none()
        );
        assert_eq!(schema(&sessions, "ann", token), "bronze");
        sessions.close(&first.session);
        assert_eq!(schema(&sessions, "ann", cookie), "gold");
        assert_eq!(schema(&sessions, "ann", connection(1)), "gold");
    }

    #[test]
    fn a_session_is_its_principals_alone() {
        let (sessions, _) = sessions(8, 8);
        let hers = enter(&sessions, "ann", connection(1), "silver");
        let cookie = SessionKey::Cookie(hers.cookie.unwrap());
        for key in [connection(1), cookie] {
            assert_eq!(schema(&sessions, "bob", key.clone()), "gold");
            let through_proxy = Caller {
                proxy: Some("superset".into()),
                ..user("ann")
            };
            let other = sessions.enter(&through_proxy, key, Some(address(1)));
            assert_eq!(other.unwrap().session.settings().schema, "gold");
        }
        let invented = SessionKey::Cookie("chosen by a client".into());
        enter(&sessions, "ann", invented.clone(), "silver");
        let offered = sessions.enter(&user("ann"), invented, Some(address(3)));
        assert!(offered.unwrap().cookie.is_some());
    }

    #[test]
    fn a_session_ends_with_its_connection_unless_it_has_another_name() {
        let (sessions, _) = sessions(8, 8);
        let one = enter(&sessions, "ann", connection(1), "silver").session;
        let two = enter(&sessions, "ann", connection(2), "silver");
        let cookie = SessionKey::Cookie(two.cookie.unwrap());
        assert_eq!(schema(&sessions, "ann", cookie.clone()), "silver");
        let token = SessionKey::Token(Uuid::new_v4());
        enter(&sessions, "ann", token.clone(), "bronze");
        sessions.left(address(1));
        sessions.left(address(2));
        assert!(one.is_plain());
        assert_eq!(schema(&sessions, "ann", cookie), "silver");
        assert_eq!(schema(&sessions, "ann", token), "bronze");
        for port in [1, 2] {
            assert_eq!(schema(&sessions, "ann", connection(port)), "gold");
        }
    }

    #[test]
    fn a_session_that_nobody_uses_ends() {
        let (sessions, hand) = sessions(8, 8);
        enter(&sessions, "ann", connection(1), "silver");
        enter(&sessions, "ann", connection(2), "silver");
        hand.advance(UNUSED / 2);
        assert_eq!(schema(&sessions, "ann", connection(1)), "silver");
        hand.advance(UNUSED / 2);
        assert_eq!(schema(&sessions, "ann", connection(1)), "silver");
        sessions.sweep();
        assert_eq!(sessions.count(), 1);
        assert_eq!(schema(&sessions, "ann", connection(2)), "gold");
    }

    #[test]
    fn without_a_time_a_session_is_kept_for_ever() {
        let (clock, hand) = clock();
        for unused in [Duration::ZERO, Duration::MAX] {
            let capacity = Capacity {
                per_user: 8,
                in_all: 8,
            };
            let sessions = Sessions::new(SessionLimits { capacity, unused }, clock.clone());
            enter(&sessions, "ann", connection(1), "silver");
            hand.advance(Duration::from_hours(24 * 365));
            sessions.sweep();
            assert_eq!(schema(&sessions, "ann", connection(1)), "silver");
        }
    }

    #[test]
    fn when_there_are_too_many_those_without_settings_make_room_first() {
        let (sessions, hand) = sessions(2, 3);
        for port in 0..10 {
            assert_eq!(schema(&sessions, "ann", connection(port)), "gold");
        }
        assert_eq!(sessions.count(), 2);
        enter(&sessions, "ann", connection(20), "silver");
        hand.advance(UNUSED / 4);
        for port in 30..40 {
            assert_eq!(schema(&sessions, "ann", connection(port)), "gold");
        }
        assert_eq!(schema(&sessions, "ann", connection(20)), "silver");
    }

    #[test]
    fn the_users_session_unused_for_longest_makes_room_unless_all_are_in_use() {
        let (sessions, hand) = sessions(3, 4);
        let in_use = enter(&sessions, "ann", connection(1), "silver");
        for port in [2, 3] {
            hand.advance(UNUSED / 4);
            enter(&sessions, "ann", connection(port), "silver");
        }
        hand.advance(UNUSED / 4);
        assert_eq!(schema(&sessions, "ann", connection(2)), "silver");
        enter(&sessions, "ann", connection(4), "silver");
        for (port, expected) in [(1, "silver"), (2, "silver"), (4, "silver")] {
            assert_eq!(schema(&sessions, "ann", connection(port)), expected);
        }
        let others = [2, 4].map(|port| enter(&sessions, "ann", connection(port), "silver"));
        let error = sessions.enter(&user("ann"), connection(5), None);
        let message = error.unwrap_err().to_string();
        assert!(message.contains("--user-sessions"), "{message}");
        drop((in_use, others));
        assert_eq!(schema(&sessions, "ann", connection(5)), "gold");
        assert_eq!(sessions.count(), 3);
    }

    #[test]
    fn nobodys_session_makes_room_for_another_users() {
        let (sessions, hand) = sessions(3, 3);
        for port in 1..=2 {
            enter(&sessions, "ann", connection(port), "silver");
        }
        enter(&sessions, "bob", connection(1), "silver");
        let error = sessions.enter(&user("eve"), connection(1), None);
        let message = error.unwrap_err().to_string();
        assert!(message.contains("--max-sessions"), "{message}");
        hand.advance(UNUSED / 4);
        assert_eq!(schema(&sessions, "bob", connection(2)), "gold");
        for port in 1..=2 {
            assert_eq!(schema(&sessions, "ann", connection(port)), "silver");
        }
    }
}
