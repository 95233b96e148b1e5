//! The names in the lake, for completion. They are read when the first is wanted and again after a
//! statement that may have changed them; nobody waits for them long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::common::runtime::SpawnedTask;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::client::{Client, texts};
use crate::error::Result;

/// How long a key may seem to do nothing.
const PATIENCE: Duration = Duration::from_millis(400);

const TABLES: &str = "select table_schema, table_name from information_schema.tables";
const COLUMNS: &str = "select table_schema, table_name, column_name from information_schema.columns \
                       order by table_schema, table_name, ordinal_position";
const SCHEMAS: &str = "select schema_name from information_schema.schemata";
const FUNCTIONS: &str =
    "select distinct routine_name, function_type from information_schema.routines";

/// What there is.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) schemas: Vec<String>,
    /// The columns of each table and view, by its schema and name.
    pub(super) relations: BTreeMap<(String, String), Vec<String>>,
    pub(super) functions: Vec<String>,
    /// Functions that stand in FROM.
    pub(super) table_functions: Vec<String>,
}

/// What is known, and the way to know more.
pub(super) struct Names {
    shared: Arc<Shared>,
    loading: Mutex<Option<SpawnedTask<()>>>,
}

struct Shared {
    client: Client,
    known: watch::Sender<Arc<Known>>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Stale,
    Loading,
    Fresh,
}

impl Names {
    pub(super) fn new(client: Client) -> Self {
        Self {
            shared: Arc::new(Shared {
                client,
                known: watch::Sender::new(Arc::default()),
                state: Mutex::new(State::Stale),
            }),
            loading: Mutex::default(),
        }
    }

    /// What is known now, or in a moment. Must not be called where blocking is forbidden.
    pub(super) fn known(&self) -> Arc<Known> {
        let mut news = self.shared.known.subscribe();
        if self.is_awaited() {
            // Whether they come in time or not, what there is then is taken.
            let _ = Handle::current().block_on(async { timeout(PATIENCE, news.changed()).await });
        }
        Arc::clone(&news.borrow())
    }

    /// Names may have changed.
    pub(super) fn forget(&self) {
        self.shared.set(State::Stale);
    }

    /// Whether names are on their way; starts it if they are not known.
    fn is_awaited(&self) -> bool {
        let mut state = self.shared.lock();
        if *state == State::Stale {
            *state = State::Loading;
            let shared = Arc::clone(&self.shared);
            let task = SpawnedTask::spawn(async move { shared.load().await });
            *self.loading.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        }
        *state == State::Loading
    }
}

impl Shared {
    async fn load(&self) {
        match read(&self.client).await {
            Ok(known) => {
                self.loaded(State::Fresh);
                self.known.send_replace(Arc::new(known));
            }
            Err(error) => {
                tracing::debug!("completion knows no names: {error}");
                self.loaded(State::Stale);
                // Wakes up whoever waits.
                self.known.send_modify(|_| ());
            }
        }
    }

    /// Unless they were changed meanwhile.
    fn loaded(&self, next: State) {
        let mut state = self.lock();
        if *state == State::Loading {
            *state = next;
        }
    }

    fn set(&self, next: State) {
        *self.lock() = next;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(client: &Client) -> Result<Known> {
    let mut known = Known {
        schemas: rows::<1>(client, SCHEMAS)
            .await?
            .into_iter()
            .flatten()
            .collect(),
        ..Known::default()
    };
    for [schema, table] in rows(client, TABLES).await? {
        known.relations.insert((schema, table), Vec::new());
    }
    for [schema, table, column] in rows(client, COLUMNS).await? {
        known
            .relations
            .entry((schema, table))
            .or_default()
            .push(column);
    }
    for [name, kind] in rows(client, FUNCTIONS).await? {
        match kind.as_str() {
            "TABLE" => known.table_functions.push(name),
            _ => known.functions.push(name),
        }
    }
    known.schemas.sort_unstable();
    known.functions.sort_unstable();
    known.table_functions.sort_unstable();
    Ok(known)
}

/// The texts of each row.
async fn rows<const N: usize>(client: &Client, sql: &str) -> Result<Vec<[String; N]>> {
    let (_, batches) = client.query(sql).await?;
    let mut columns = Vec::with_capacity(N);
    for column in 0..N {
        columns.push(texts(&batches, column)?);
    }
    let count = columns.first().map_or(0, Vec::len);
    let cell = |row: usize, column: usize| columns[column][row].clone().unwrap_or_default();
    Ok((0..count)
        .map(|row| std::array::from_fn(|column| cell(row, column)))
        .collect())
}
