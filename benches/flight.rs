//! Flight SQL on the loopback interface: small statements of 1, 8 and 64 clients, small ones beside a heavy one, five
//! million rows out and in. What streams is held against a bare arrow-flight server that sends the same batches from
//! memory: rows of a temporary table, which are in memory too, and rows of a Delta table, whose Parquet is read besides.
//!
//!     cargo bench --bench flight
#![expect(
    clippy::cast_precision_loss,
    reason = "counts and sizes far below 2^52 become rates"
)]

#[path = "flight/bare.rs"]
mod bare;
#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "the SQL tests use more of it")]
mod support;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use arrow::array::{Array, RecordBatch};
use datafusion::{common::runtime::JoinSet, physical_plan::memory::MemoryStream};
use futures::TryStreamExt;
use moodlake::{client::Client, engine::IngestMode};
use support::TestServer;

const ROWS: u64 = 5_000_000;
const CLIENTS: [usize; 3] = [1, 8, 64];
/// How long each number of clients asks.
const ASKING: Duration = Duration::from_secs(5);
/// Streams are measured this often, and the best taken: what else the machine does only slows them.
const STREAMS: usize = 5;
const HEAVY: &str = "select sum(a.value * b.value) from generate_series(1, 20000) as a \
                     cross join generate_series(1, 200000) as b";

fn main() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure())
}

#[expect(clippy::print_stdout, reason = "a bench reports to its terminal")]
async fn measure() -> Result<()> {
    let server = TestServer::start().await?;
    let url = server.url().to_string();
    println!(
        "{:<44} {:>9} {:>9} {:>12}",
        "select 1", "p50 ms", "p99 ms", "a second"
    );
    for clients in CLIENTS {
        println!(
            "{:<44} {}",
            format!("{clients} clients"),
            Small::ask(&url, clients).await?
        );
    }
    let heavy = Client::connect(&url).await?;
    let heavy = datafusion::common::runtime::SpawnedTask::spawn(async move {
        heavy.query(HEAVY).await.map(|_| ())
    });
    println!(
        "{:<44} {}",
        "64 clients beside a heavy query",
        Small::ask(&url, 64).await?
    );
    drop(heavy);

    let client = Client::connect(&url).await?;
    let table = format!(
        "create table gold.fetched as select value as play_id, value % 1000 as track, value * 0.25 as energy, \
         value * 0.5 as valence, to_timestamp_micros(value * 1000000) as played_at, 'track ' || (value % 5000) as name \
         from generate_series(1, {ROWS}) as s (value)"
    );
    client.execute(&table).await?;
    client
        .execute("create temporary table held as select * from gold.fetched")
        .await?;
    let (schema, batches) = client.query("select * from held").await?;
    let megabytes = size(&batches)?;
    println!(
        "\n{:<44} {:>9} {:>9}",
        format!("{ROWS} rows, {megabytes:.0} MB"),
        "MB/s",
        "of bare"
    );
    let bare = bare::serve(batches.clone()).await?;
    let of_bare = best(|| bare::fetch(&bare)).await?;
    println!(
        "{:<44} {:>9.0}",
        "out: bare arrow-flight",
        megabytes / of_bare
    );
    for (table, from) in [("held", "from memory"), ("gold.fetched", "from Parquet")] {
        let query = format!("select * from {table}");
        let out = best(|| async {
            let mut rows = client.stream(&query).await?;
            while rows.try_next().await?.is_some() {}
            Ok(())
        })
        .await?;
        println!(
            "{:<44} {:>9.0} {:>8.0}%",
            format!("out: moodlake, {from}"),
            megabytes / out,
            100.0 * of_bare / out
        );
    }
    let taken = best(|| bare::put(&bare, &batches)).await?;
    println!(
        "{:<44} {:>9.0}",
        "in: bare arrow-flight, thrown away",
        megabytes / taken
    );
    let into = best(|| async {
        let rows = MemoryStream::try_new(batches.clone(), schema.clone(), None)?;
        let target = "gold.taken".parse()?;
        client
            .ingest(&target, IngestMode::Replace, Box::pin(rows))
            .await?;
        Ok(())
    })
    .await?;
    println!(
        "{:<44} {:>9.0} {:>8.0}%",
        "in: moodlake, a Delta commit",
        megabytes / into,
        100.0 * taken / into
    );
    server.stop().await
}

/// How small statements fared.
struct Small {
    latencies: Vec<Duration>,
    elapsed: Duration,
}

impl Small {
    /// `clients` connections ask for one number each, again and again.
    async fn ask(url: &str, clients: usize) -> Result<Self> {
        let started = Instant::now();
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let client = Client::connect(url).await?;
            tasks.spawn(ask(client, number, started));
        }
        let mut latencies = Vec::new();
        while let Some(asked) = tasks.join_next().await {
            latencies.extend(asked.context("a client panicked")??);
        }
        latencies.sort_unstable();
        let elapsed = started.elapsed();
        Ok(Self { latencies, elapsed })
    }

    fn quantile(&self, share: usize) -> f64 {
        let place =
            (self.latencies.len() * share / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies
            .get(place)
            .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

async fn ask(client: Client, number: usize, started: Instant) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    let sql = format!("select {number} as number");
    while started.elapsed() < ASKING {
        let asked = Instant::now();
        let (_, batches) = client.query(&sql).await?;
        latencies.push(asked.elapsed());
        let answer = arrow::util::display::array_value_to_string(batches[0].column(0), 0)?;
        anyhow::ensure!(answer == number.to_string(), "{sql} gave {answer}");
    }
    Ok(latencies)
}

impl std::fmt::Display for Small {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let a_second = self.latencies.len() as f64 / self.elapsed.as_secs_f64();
        write!(
            f,
            "{:>9.2} {:>9.2} {a_second:>12.0}",
            self.quantile(50),
            self.quantile(99)
        )
    }
}

/// The seconds of the fastest of some runs.
async fn best<F: Future<Output = Result<()>>>(run: impl Fn() -> F) -> Result<f64> {
    let mut fastest = f64::INFINITY;
    for _ in 0..STREAMS {
        let started = Instant::now();
        run().await?;
        fastest = fastest.min(started.elapsed().as_secs_f64());
    }
    Ok(fastest)
}

/// Megabytes of values, however the buffers are shared.
fn size(batches: &[RecordBatch]) -> Result<f64> {
    let columns = batches.iter().flat_map(RecordBatch::columns);
    let mut bytes = 0;
    for column in columns {
        bytes += column.to_data().get_slice_memory_size()?;
    }
    Ok(bytes as f64 / 1e6)
}
