//! A lake with two listeners, an analyst and an admin, each seen through their own engine.

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use moodlake::{
    access::{Caller, Role, User},
    client::Client,
    engine::{Engine, FileAccess, Settings},
};
use tempfile::TempDir;

/// A lake with plays of ada and bob, and users of every role.
pub(super) struct Lake {
    pub(super) engine: Engine,
    pub(super) folder: TempDir,
}

impl Lake {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            dir: folder.path().to_path_buf(),
            files: FileAccess::Anywhere,
        };
        let engine = Engine::open(settings).await.unwrap();
        for (name, role) in [
            ("root", Role::Admin),
            ("ann", Role::Analyst),
            ("ada", Role::Listener),
            ("bob", Role::Listener),
            ("gate", Role::Proxy),
        ] {
            let user = User {
                role,
                password: None,
            };
            let added = engine.access().change(|access| {
                access.users.insert(name.into(), user);
                Ok(())
            });
            added.unwrap();
        }
        let lake = Self { engine, folder };
        for statement in [
            "create table silver.plays as select * from (values ('ada', 't1', 10), ('ada', 't2', 20), ('bob', 't1', 30))
             as p (user_id, track_id, ms_played)",
            "create table silver.tracks as select 't1' as track_id, 'One' as track_name",
            "create table silver.responses (user_id varchar not null, track_id varchar, response varchar)",
            "insert into silver.responses values ('bob', 't1', 'like')",
            "create view gold.totals as select user_id, sum(ms_played) as ms from silver.plays group by user_id",
            "create table gold.secrets as select 'x' as note",
        ] {
            lake.owner(statement).await.unwrap();
        }
        lake
    }

    pub(super) fn client(&self, caller: Caller) -> Client {
        Client::Local(self.engine.on_behalf_of(Arc::new(caller), Arc::default()))
    }

    pub(super) async fn owner(&self, sql: &str) -> Result<String, String> {
        run(&self.client(Caller::owner()), sql).await
    }

    pub(super) async fn analyst(&self, sql: &str) -> Result<String, String> {
        run(&self.client(Caller::user("ann", Role::Analyst)), sql).await
    }

    pub(super) async fn ada(&self, sql: &str) -> Result<String, String> {
        run(&self.client(Caller::user("ada", Role::Listener)), sql).await
    }

    pub(super) async fn proxy(&self, sql: &str) -> Result<String, String> {
        run(&self.client(Caller::user("gate", Role::Proxy)), sql).await
    }
}

/// The values of a query's rows, a line a row; `changed N` or `done` of others; the message of an error.
pub(super) async fn run(client: &Client, sql: &str) -> Result<String, String> {
    let (_, batches) = client.query(sql).await.map_err(|error| error.to_string())?;
    let table = pretty_format_batches(&batches).unwrap().to_string();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(1);
    let rows = rows.map(|row| {
        let cells = row.trim_matches('|').split('|').map(str::trim);
        cells.collect::<Vec<_>>().join(" ")
    });
    Ok(rows.collect::<Vec<_>>().join("\n"))
}

pub(super) fn refused(outcome: Result<String, String>, words: &str) {
    let message = outcome.unwrap_err();
    assert!(message.contains(words), "{message}");
}
