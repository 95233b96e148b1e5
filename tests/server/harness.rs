//! A server on a free port over a lake of its own, and the calls that every test makes.

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int64Type, Schema},
};
use arrow_flight::{
    FlightInfo, Ticket, flight_service_client::FlightServiceClient,
    sql::client::FlightSqlServiceClient,
};
use datafusion::common::runtime::SpawnedTask;
use futures::{TryStreamExt, future};
use moodlake::{
    engine::{Engine, FileAccess, Settings},
    limits::Limits,
    server,
};
use tempfile::TempDir;
use tonic::transport::Channel;

pub(super) type Flight = FlightSqlServiceClient<Channel>;

/// A server with an empty lake, and a client of it.
pub(super) struct Running {
    pub(super) engine: Engine,
    pub(super) url: String,
    pub(super) flight: Flight,
    _serving: SpawnedTask<moodlake::error::Result<()>>,
    _lake: TempDir,
}

pub(super) async fn start() -> Running {
    start_within(Limits::default()).await
}

/// A server whose statements keep to these limits.
pub(super) async fn start_within(limits: Limits) -> Running {
    let lake = tempfile::tempdir().unwrap();
    let settings = Settings {
        dir: lake.path().to_path_buf(),
        files: FileAccess::Anywhere,
    };
    let engine = Engine::open_within(settings, limits).await.unwrap();
    let listener = server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    let serving = SpawnedTask::spawn(server::serve(listener, engine.clone(), future::pending()));
    let channel = Channel::from_shared(url.replace("grpc", "http")).unwrap();
    let inner = FlightServiceClient::new(channel.connect().await.unwrap());
    Running {
        engine,
        url,
        flight: Flight::new_from_inner(inner),
        _serving: serving,
        _lake: lake,
    }
}

pub(super) fn ticket(info: &FlightInfo) -> Ticket {
    info.endpoint[0].ticket.clone().unwrap()
}

/// Fetches what was announced, and checks that it has the announced schema.
pub(super) async fn fetch(flight: &mut Flight, info: &FlightInfo) -> Vec<RecordBatch> {
    let announced = Schema::try_from(info.clone()).unwrap();
    let mut rows = flight.do_get(ticket(info)).await.unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = rows.try_next().await.unwrap() {
        assert_eq!(*batch.schema(), announced);
        batches.push(batch);
    }
    assert_eq!(**rows.schema().unwrap(), announced);
    batches
}

pub(super) async fn query(flight: &mut Flight, sql: &str) -> Vec<RecordBatch> {
    let info = flight.execute(sql.to_string(), None).await.unwrap();
    fetch(flight, &info).await
}

pub(super) async fn number(flight: &mut Flight, sql: &str) -> i64 {
    let batches = query(flight, sql).await;
    batches[0].column(0).as_primitive::<Int64Type>().value(0)
}

pub(super) async fn update(flight: &mut Flight, sql: &str) -> i64 {
    flight.execute_update(sql.to_string(), None).await.unwrap()
}

pub(super) fn strings(batches: &[RecordBatch], column: usize) -> Vec<String> {
    let texts = batches
        .iter()
        .flat_map(|batch| batch.column(column).as_string::<i32>().iter());
    texts.flatten().map(str::to_string).collect()
}
