//! A server with users, and what tests do to it.

use std::{net::SocketAddr, path::Path, sync::Arc};

use arrow::array::AsArray;
use arrow_flight::flight_service_client::FlightServiceClient;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafusion::common::runtime::SpawnedTask;
use futures::{TryStreamExt, future};
use moodlake::{
    access::{Access, Role, User, passwords},
    engine::{Engine, FileAccess, Settings},
    server::{self, Security},
};
use tempfile::TempDir;
use tonic::{Status, transport::Channel};

use super::{Flight, status, unnamed};

/// A server of a lake that may have others.
pub(super) struct Guarded {
    engine: Engine,
    address: SocketAddr,
    lake: Arc<TempDir>,
    _serving: SpawnedTask<moodlake::error::Result<()>>,
}

impl Guarded {
    /// A server of an empty lake with these users, each with their [`password`].
    pub(super) async fn start(security: Security, users: &[(&str, Role)]) -> Self {
        let lake = Arc::new(tempfile::tempdir().unwrap());
        let settings = Settings {
            dir: lake.path().to_path_buf(),
            files: FileAccess::Under(Vec::new()),
        };
        let engine = Engine::open(settings).await.unwrap();
        Self::over(engine, lake, security, users).await
    }

    /// Another server of the same lake.
    pub(super) async fn beside(&self, security: Security) -> Self {
        Self::over(self.engine.clone(), Arc::clone(&self.lake), security, &[]).await
    }

    async fn over(
        engine: Engine,
        lake: Arc<TempDir>,
        security: Security,
        users: &[(&str, Role)],
    ) -> Self {
        for (name, role) in users {
            put(&engine, name, *role, Some(&password(name)));
        }
        let listener = server::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = server::Settings {
            security,
            ..server::Settings::default()
        };
        let serving = server::serve_with(listener, engine.clone(), settings, future::pending());
        Self {
            engine,
            address,
            lake,
            _serving: SpawnedTask::spawn(serving),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("grpc://{}", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn lake(&self) -> &Path {
        self.lake.path()
    }

    /// A connection over which nobody has said yet who they are.
    pub(super) async fn client(&self) -> FlightServiceClient<Channel> {
        let channel = Channel::from_shared(format!("http://{}", self.address)).unwrap();
        FlightServiceClient::new(channel.connect().await.unwrap())
    }

    pub(super) async fn flight(&self) -> Flight {
        unnamed(self.client().await)
    }

    /// A client that logged in with the user's [`password`].
    pub(super) async fn log_in(&self, user: &str) -> Flight {
        let mut flight = self.flight().await;
        flight.handshake(user, &password(user)).await.unwrap();
        flight
    }

    pub(super) async fn token(&self, user: &str) -> String {
        let mut flight = self.flight().await;
        let token = flight.handshake(user, &password(user)).await.unwrap();
        String::from_utf8(token.to_vec()).unwrap()
    }

    pub(super) fn add(&self, name: &str, role: Role) {
        put(&self.engine, name, role, Some(&password(name)));
    }

    pub(super) fn add_without_password(&self, name: &str, role: Role) {
        put(&self.engine, name, role, None);
    }

    pub(super) fn set_password(&self, name: &str, password: &str) {
        let hash = passwords::hash(password).unwrap();
        self.change(|access| access.users.get_mut(name).unwrap().password = Some(hash));
    }

    pub(super) fn set_role(&self, name: &str, role: Role) {
        self.change(|access| access.users.get_mut(name).unwrap().role = role);
    }

    /// The user as they are listed.
    pub(super) fn entry(&self, name: &str) -> User {
        self.engine.access().current().unwrap().users[name].clone()
    }

    pub(super) fn put(&self, name: &str, user: User) {
        self.change(|access| drop(access.users.insert(name.into(), user)));
    }

    pub(super) fn remove(&self, name: &str) {
        self.change(|access| drop(access.users.remove(name)));
    }

    /// Lets `system.audit` be read.
    pub(super) async fn make_audit_tables(&self) {
        self.engine.make_audit_tables().await.unwrap();
    }

    fn change(&self, change: impl FnOnce(&mut Access)) {
        let changed = self.engine.access().change(|access| {
            change(access);
            Ok(())
        });
        changed.unwrap();
    }
}

fn put(engine: &Engine, name: &str, role: Role, password: Option<&str>) {
    let password = password.map(|password| passwords::hash(password).unwrap());
    let added = engine.access().change(|access| {
        access.users.insert(name.into(), User { role, password });
        Ok(())
    });
    added.unwrap();
}

pub(super) fn password(user: &str) -> String {
    format!("the password of {user}")
}

pub(super) fn basic(user: &str, password: &str) -> String {
    let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {encoded}")
}

/// For whom the server runs the client's statements.
pub(super) async fn current_user(flight: &mut Flight) -> Result<String, Status> {
    let info = flight.execute("select current_user()".into(), None).await;
    let info = info.map_err(status)?;
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let rows = flight.do_get(ticket).await.map_err(status)?;
    let batches: Vec<_> = rows.try_collect().await.map_err(status)?;
    Ok(batches[0].column(0).as_string::<i32>().value(0).to_string())
}
