//! The flags of `serve` that say who may come in, and how.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::error::Result;
use crate::server::{Oidc, Secret, Security, Tls, UserClaim};

use super::super::password::secret;

const SECRET: &str = "MOODLAKE_SECRET";
const HOUR_S: u64 = 3600;

/// Certificates, issuers and tokens.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who may connect")]
pub(super) struct SecurityArguments {
    /// The server's certificate, PEM with the chain that leads to its authority
    #[arg(
        long,
        value_name = "FILE",
        env = "MOODLAKE_TLS_CERT",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "MOODLAKE_TLS_KEY",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
    /// Whoever signs certificates of clients, PEM; their common name is the user
    #[arg(
        long,
        value_name = "FILE",
        env = "MOODLAKE_TLS_CLIENT_CA",
        requires = "tls_cert"
    )]
    tls_client_ca: Option<PathBuf>,
    /// Let other machines connect without TLS, because something in front of the server does it
    #[arg(long)]
    insecure: bool,
    /// An OIDC issuer whose tokens (JWT) are accepted, such as `https://id.example.org/realms/music`
    #[arg(
        long,
        value_name = "URL",
        env = "MOODLAKE_OIDC_ISSUER",
        requires = "oidc_audience"
    )]
    oidc_issuer: Option<String>,
    /// For whom the issuer's tokens have to be (`aud`)
    #[arg(
        long,
        value_name = "NAME",
        env = "MOODLAKE_OIDC_AUDIENCE",
        requires = "oidc_issuer"
    )]
    oidc_audience: Option<String>,
    /// What in the issuer's tokens is the name of the user
    #[arg(
        long,
        value_enum,
        value_name = "CLAIM",
        env = "MOODLAKE_OIDC_USER_CLAIM",
        default_value_t = Claim::Sub
    )]
    oidc_user_claim: Claim,
    /// What in them names the role of users who were not added here, such as `realm_access.roles`
    #[arg(
        long,
        value_name = "CLAIM",
        env = "MOODLAKE_OIDC_ROLE_CLAIM",
        requires = "oidc_issuer"
    )]
    oidc_role_claim: Option<String>,
    /// How long a token is good that a user name and a password gave
    #[arg(
        long,
        value_name = "HOURS",
        env = "MOODLAKE_TOKEN_HOURS",
        default_value_t = 12,
        value_parser = clap::value_parser!(u64).range(1..=8760)
    )]
    token_hours: u64,
}

/// The claims that can hold a user's name.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Claim {
    /// What the issuer never gives to anybody else
    Sub,
    /// What people are called; only where the issuer keeps it unique and people cannot choose it
    PreferredUsername,
    /// The verified address
    Email,
}

impl From<Claim> for UserClaim {
    fn from(claim: Claim) -> Self {
        match claim {
            Claim::Sub => Self::Subject,
            Claim::PreferredUsername => Self::PreferredUsername,
            Claim::Email => Self::Email,
        }
    }
}

impl SecurityArguments {
    /// As the server wants it; reads the files, and `$MOODLAKE_SECRET`.
    pub(super) fn settings(&self) -> Result<Security> {
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(Tls::read(certificate, key, self.tls_client_ca.as_deref())?)
            }
            _ => None,
        };
        let oidc = match (&self.oidc_issuer, &self.oidc_audience) {
            (Some(issuer), Some(audience)) => Some(Oidc {
                issuer: issuer.clone(),
                audience: audience.clone(),
                user_claim: self.oidc_user_claim.into(),
                role_claim: self.oidc_role_claim.clone(),
            }),
            _ => None,
        };
        let secret = secret(SECRET).map(|text| Secret::from_text(&text));
        Ok(Security {
            tls,
            insecure: self.insecure,
            oidc,
            token_lifetime: Duration::from_secs(self.token_hours * HOUR_S),
            secret: secret.transpose()?,
        })
    }
}
