//! Who is calling: every request passes the [`Gate`] before anything is done for it.
//!
//! A request says who sent it by a token, a user name with a password, or the certificate of its connection. Nothing is
//! kept between two requests: whoever is removed, or gets another role, has it from the next request on. What cannot
//! be read, such as the file of users, lets nobody in.

mod basic;
mod certificate;
pub(super) mod handshake;
mod header;
mod oidc;
mod proxy;
mod settings;
mod throttle;
mod token;
pub(super) mod visits;

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use arrow_flight::HandshakeRequest;
use tonic::{
    Streaming,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};
use uuid::Uuid;

use self::{basic::Passwords, header::Offer, oidc::Issuer, token::Tokens};
use super::{clock::Clock, service::Credentials, session::SessionKey};
use crate::{
    access::{Access, Caller, Store},
    error::{Error, Result},
};

pub use settings::{Oidc, Security, UserClaim};

/// How to say who one is.
const HOW_TO: &str = "connect with a user name and a password, or with a token; \
                      `moodlake user add NAME` makes a user";
/// Why nobody logs in where nobody has to.
const NO_USERS: &str = "this server has no users yet: connect without user name and password, \
                        or make a user with `moodlake user add NAME`";

/// The way in.
pub(super) struct Gate {
    tokens: Tokens,
    passwords: Passwords,
    issuer: Option<Issuer>,
    /// Whether everybody who can connect is the owner as long as there are no users. Once there were any it stays shut:
    /// removing the last of them must not open the lake.
    may_stand_open: AtomicBool,
}

/// Who was let in.
#[derive(Debug)]
pub(super) struct Guest {
    /// For whom the request is.
    pub(super) caller: Caller,
    /// By what the client will be known at its next request.
    pub(super) session: SessionKey,
}

/// Who a request proved to be from.
struct Principal {
    caller: Caller,
    /// The session that a token of ours names.
    session: Option<Uuid>,
}

impl Principal {
    fn of(caller: Caller) -> Self {
        Self {
            caller,
            session: None,
        }
    }
}

impl Gate {
    /// The way in that `security` asks for, at a server that listens on `address`.
    ///
    /// # Errors
    /// [`Error::Input`] for an issuer that cannot be one.
    pub(super) fn new(security: &Security, address: SocketAddr, access: &Access) -> Result<Self> {
        let tells_apart = security.admits_strangers() || !access.users.is_empty();
        let may_stand_open = address.ip().is_loopback() && !tells_apart;
        let secret = security.secret();
        Ok(Self {
            tokens: Tokens::new(&secret, security.token_lifetime, Clock::default()),
            passwords: Passwords::new(&secret),
            issuer: security.oidc.clone().map(Issuer::new).transpose()?,
            may_stand_open: AtomicBool::new(may_stand_open),
        })
    }

    /// Who sent a request.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when it does not say, or wrongly; [`Error::Denied`] for somebody who is known and has
    /// no business here; what reading the rules gives.
    pub(super) async fn admit(&self, store: &Store, request: &Credentials) -> Result<Guest> {
        let access = store.current()?;
        let principal = if self.stands_open(&access) {
            Principal::of(Caller::owner())
        } else {
            let offer = header::offer(&request.metadata)?;
            self.identify(&access, offer, request).await?
        };
        Ok(Guest {
            session: session_key(principal.session, request)?,
            caller: proxy::speak_for(principal.caller, &access, &request.metadata)?,
        })
    }

    /// Answers a handshake with a token for the requests to come.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub(super) async fn welcome(
        &self,
        store: &Store,
        request: &Credentials,
        messages: &mut Streaming<HandshakeRequest>,
    ) -> Result<String> {
        let access = store.current()?;
        let offer = match header::offer(&request.metadata)? {
            Offer::Nothing => header::payload(messages).await?,
            offer => offer,
        };
        if self.stands_open(&access) {
            return match offer {
                // Any will do, and drivers want theirs back.
                Offer::Bearer(token) => Ok(token),
                Offer::Basic { .. } | Offer::Nothing => Err(Error::Unsupported(NO_USERS.into())),
            };
        }
        if let Offer::Bearer(token) = &offer {
            let token = token.clone();
            let principal = self.identify(&access, offer, request).await?;
            proxy::speak_for(principal.caller, &access, &request.metadata)?;
            return Ok(token);
        }
        let principal = self.identify(&access, offer, request).await?;
        let name = principal.caller.user.clone();
        proxy::speak_for(principal.caller, &access, &request.metadata)?;
        self.tokens.issue(&name, &access)
    }

    /// Whether there is nobody to tell apart.
    fn stands_open(&self, access: &Access) -> bool {
        if !access.users.is_empty() {
            self.may_stand_open.store(false, Ordering::Relaxed);
        }
        self.may_stand_open.load(Ordering::Relaxed)
    }

    async fn identify(
        &self,
        access: &Access,
        offer: Offer,
        request: &Credentials,
    ) -> Result<Principal> {
        match offer {
            Offer::Bearer(token) if token::is_ours(&token) => {
                let claims = self.tokens.read(&token, access)?;
                let caller = known(access, &claims.user)?;
                Ok(Principal {
                    caller,
                    session: Some(claims.session),
                })
            }
            Offer::Bearer(token) => match &self.issuer {
                Some(issuer) => issuer.identify(access, &token).await.map(Principal::of),
                None => Err(Error::Unauthenticated(format!(
                    "the token is none of this server, and it trusts no other issuer: {HOW_TO}"
                ))),
            },
            Offer::Basic { user, password } => {
                let from = peer(request).map(|address| address.ip());
                self.passwords.check(access, &user, &password, from).await?;
                known(access, &user).map(Principal::of)
            }
            Offer::Nothing => match certificate::subject(&request.extensions)? {
                Some(name) => known(access, &name).map(Principal::of),
                None => Err(Error::Unauthenticated(format!(
                    "this server wants to know who is calling: {HOW_TO}"
                ))),
            },
        }
    }
}

/// A user of this lake, by a name that was proved.
fn known(access: &Access, name: &str) -> Result<Caller> {
    match access.users.get(name) {
        Some(user) => Ok(Caller::user(name, user.role)),
        None => Err(Error::Unauthenticated(format!(
            "'{name}' is no user of this lake (any more); an admin can add them: `moodlake user add {name}`"
        ))),
    }
}

/// By what the client is known: its token, else the cookie that it was given, else its connection.
fn session_key(token: Option<Uuid>, request: &Credentials) -> Result<SessionKey> {
    if let Some(session) = token {
        return Ok(SessionKey::Token(session));
    }
    if let Some(cookie) = header::session_cookie(&request.metadata) {
        return Ok(SessionKey::Cookie(cookie));
    }
    peer(request)
        .map(SessionKey::Connection)
        .ok_or_else(|| Error::Internal("a connection without an address".into()))
}

/// From where the request came.
pub(super) fn peer(request: &Credentials) -> Option<SocketAddr> {
    let extensions = &request.extensions;
    let plain = extensions.get::<TcpConnectInfo>();
    let tls = extensions.get::<TlsConnectInfo<TcpConnectInfo>>();
    plain
        .or_else(|| tls.map(TlsConnectInfo::get_ref))
        .and_then(TcpConnectInfo::remote_addr)
}
