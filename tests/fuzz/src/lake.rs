//! A small lake for the fuzz targets: tables of several types, a view, a policy, a mask, an admin and a listener.

use std::{sync::OnceLock, time::Duration};

use moodlake::{
    access::{Role, User, passwords},
    engine::{Engine, FileAccess, Settings},
    limits::Limits,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// As the program has it.
const STACK_BYTES: usize = 16 << 20;

pub(crate) const USERS: [(&str, Role); 2] = [("grace", Role::Admin), ("ada", Role::Listener)];
pub(crate) const PASSWORD: &str = "fuzzing and fuzzing";

static FOLDER: OnceLock<TempDir> = OnceLock::new();

/// A runtime as the program has it.
pub(crate) fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The lake's engine, for its owner.
pub(crate) async fn open() -> Engine {
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let settings = Settings {
        dir: folder.path().to_path_buf(),
        files: FileAccess::Under(Vec::new()),
    };
    // What a statement may cost here, so that many can be tried.
    let limits = Limits {
        statement_time: Duration::from_secs(5),
        memory: 512 << 20,
        statement_memory: 256 << 20,
        spill: 256 << 20,
        ..Limits::default()
    };
    let engine = Engine::open_within(settings, limits).await;
    let engine = engine.expect("a lake");
    engine
        .access()
        .change(|access| {
            for (name, role) in USERS {
                let password = Some(passwords::hash(PASSWORD)?);
                access.users.insert(name.into(), User { role, password });
            }
            Ok(())
        })
        .expect("users");
    for statement in [
        "create table silver.plays as select 'ada' as user_id, 't' || value as track_id, value as ms_played, \
         to_timestamp(value) as played_at, named_struct('energy', value * 0.1) as features, [value] as numbers \
         from generate_series(1, 10) as s (value)",
        "create table silver.tracks as select 't1' as track_id, 'One' as track_name, cast(1.5 as decimal(10, 2)) as price",
        "create view gold.totals as select user_id, sum(ms_played) as ms_played from silver.plays group by user_id",
        "create row policy short on silver.plays using (ms_played < 5)",
        "create mask name on silver.tracks (track_name) using (upper(track_name))",
    ] {
        engine.run(statement, &[]).await.expect(statement);
    }
    engine
}
