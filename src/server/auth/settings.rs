//! What a server is told about who may come in, and how.

use std::{net::SocketAddr, time::Duration};

use crate::{
    access::Access,
    error::{Error, Result},
    server::{secret::Secret, tls::Tls},
};

/// As long as a working day: who logs in in the morning is not asked again.
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);

/// How callers are told apart, and what protects the way to them.
#[derive(Debug, Clone)]
pub struct Security {
    /// The server's certificate, and whose certificates of clients it accepts.
    pub tls: Option<Tls>,
    /// Whether other machines may connect without TLS: something in front of the server does it.
    pub insecure: bool,
    /// Whose tokens are accepted besides the server's own.
    pub oidc: Option<Oidc>,
    /// How long a token of the server is good.
    pub token_lifetime: Duration,
    /// What the server signs with; a random one when there is none.
    pub secret: Option<Secret>,
}

/// An issuer of tokens that is trusted.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// Its address, exactly as its tokens spell it.
    pub issuer: String,
    /// For whom its tokens have to be.
    pub audience: String,
    /// What in a token is the name of the user.
    pub user_claim: UserClaim,
    /// What in a token names the role of users who are not in the lake's own list; a path with dots for a nested one.
    pub role_claim: Option<String>,
}

/// The claim that holds a user's name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UserClaim {
    /// What the issuer never gives to somebody else.
    #[default]
    Subject,
    /// What people are called, where the issuer keeps that unique.
    PreferredUsername,
    /// A verified address.
    Email,
}

impl UserClaim {
    /// How tokens call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Subject => "sub",
            Self::PreferredUsername => "preferred_username",
            Self::Email => "email",
        }
    }
}

impl Default for Security {
    fn default() -> Self {
        Self {
            tls: None,
            insecure: false,
            oidc: None,
            token_lifetime: TOKEN_LIFETIME,
            secret: None,
        }
    }
}

impl Security {
    /// Whether people can come in who are not in the lake's list, or without a password.
    pub(super) fn admits_strangers(&self) -> bool {
        self.oidc.is_some() || self.tls.as_ref().is_some_and(Tls::checks_clients)
    }

    pub(super) fn secret(&self) -> Secret {
        self.secret.clone().unwrap_or_else(Secret::random)
    }

    /// Refuses an address that others can reach when nothing tells callers apart, or everybody on the way could listen.
    ///
    /// # Errors
    /// [`Error::Input`] that says what is missing.
    pub fn check_exposure(&self, address: SocketAddr, access: &Access) -> Result<()> {
        if address.ip().is_loopback() {
            return Ok(());
        }
        if access.users.is_empty() && !self.admits_strangers() {
            return Err(Error::Input(format!(
                "{address} can be reached from other machines, and there is no authentication yet: \
                 make a user with `moodlake user add NAME`, or listen on 127.0.0.1 or [::1]"
            )));
        }
        if self.tls.is_none() && !self.insecure {
            return Err(Error::Input(format!(
                "{address} can be reached from other machines, and passwords and rows would travel in the clear: \
                 give --tls-cert and --tls-key, or --insecure where something in front of the server does TLS"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Role, User};

    fn with_user() -> Access {
        let mut access = Access::default();
        let ada = User {
            role: Role::Admin,
            password: None,
        };
        access.users.insert("ada".into(), ada);
        access
    }

    #[test]
    fn others_are_let_near_only_with_users_and_tls() {
        let open: Vec<SocketAddr> = ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051"]
            .map(|address| address.parse().unwrap())
            .into();
        let plain = Security::default();
        let insecure = Security {
            insecure: true,
            ..Security::default()
        };
        for address in open {
            let refusal = |security: &Security, access: &Access| {
                let refused = security.check_exposure(address, access);
                refused.err().map(|error| error.to_string())
            };
            let nobody = refusal(&insecure, &Access::default()).unwrap();
            assert!(nobody.contains("no authentication yet"), "{nobody}");
            let clear = refusal(&plain, &with_user()).unwrap();
            assert!(clear.contains("--tls-cert"), "{clear}");
            assert_eq!(refusal(&insecure, &with_user()), None);
        }
        for address in ["127.0.0.1:0", "[::1]:50051"] {
            let address = address.parse().unwrap();
            assert!(plain.check_exposure(address, &Access::default()).is_ok());
        }
    }
}
