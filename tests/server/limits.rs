//! Limits: what exceeds one is refused with its name, its value and its flag, and harms nobody else.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::{ArrayRef, NullArray, RecordBatch, StringArray};
use arrow_flight::{CancelStatus, error::FlightError};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{TryStreamExt, future::join_all, stream};
use moodlake::{client::Client, limits::Limits, statement::IngestMode};
use tonic::{Code, Status};

use super::{
    cancel::cancel_info,
    harness::{Flight, Running, fetch, number, query, start, start_within, ticket, update},
};

/// Nobody lives to see its result.
const ENDLESS: &str = "select count(*) from generate_series(1, 10000000) as a (x) \
     cross join generate_series(1, 10000000) as b (y) where (x * y) % 7 = 3";

/// How a query that is fetched to its end fails.
pub(super) async fn refusal(flight: &mut Flight, sql: &str) -> Status {
    let rows = async {
        let info = flight.execute(sql.to_string(), None).await?;
        let rows = flight.do_get(ticket(&info)).await?;
        rows.try_collect::<Vec<_>>().await
    };
    match rows.await {
        Err(FlightError::Tonic(status)) => *status,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused: {}", sql.chars().take(80).collect::<String>()),
    }
}

fn assert_refused(status: &Status, code: Code, words: &[&str]) {
    assert_eq!(status.code(), code, "{status}");
    for word in words {
        assert!(status.message().contains(word), "{word}: {status}");
    }
}

async fn within(limits: Limits) -> (Running, Flight) {
    let running = start_within(limits).await;
    let flight = running.flight.clone();
    (running, flight)
}

#[tokio::test]
async fn a_statement_that_is_too_long_is_refused_before_it_is_read() {
    let (_running, mut flight) = within(Limits {
        statement_bytes: 100,
        ..Limits::default()
    })
    .await;
    let long = format!("select '{}'", "x".repeat(100));
    let status = refusal(&mut flight, &long).await;
    let words = ["109 bytes", "100 bytes", "--max-statement-size"];
    assert_refused(&status, Code::ResourceExhausted, &words);
    let prepared = flight.prepare(long, None).await.unwrap_err();
    assert!(
        prepared.to_string().contains("--max-statement-size"),
        "{prepared}"
    );
    assert_eq!(number(&mut flight, "select 1").await, 1);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_with_its_flag() {
    let (running, mut flight) = within(Limits {
        message_bytes: 64 << 10,
        ..Limits::default()
    })
    .await;
    let load = async |length: usize| {
        let text: ArrayRef = Arc::new(StringArray::from_iter_values(["x".repeat(length)]));
        let batch = RecordBatch::try_from_iter([("text", text)]).unwrap();
        let rows = RecordBatchStreamAdapter::new(batch.schema(), stream::iter([Ok(batch)]));
        let client = Client::connect(&running.url).await.unwrap();
        let table = "gold.loaded".parse().unwrap();
        client
            .ingest(&table, IngestMode::Create, Box::pin(rows))
            .await
    };
    let refused = load(1_000_000).await.unwrap_err().to_string();
    for word in ["64 KiB", "--max-message-size", "smaller batches"] {
        assert!(refused.contains(word), "{refused}");
    }
    assert_eq!(load(1000).await.unwrap(), 1);
    assert_eq!(
        number(&mut flight, "select count(*) from gold.loaded").await,
        1
    );
}

#[tokio::test]
async fn a_result_that_is_too_large_is_an_error_and_never_cut() {
    let (_running, mut flight) = within(Limits {
        result_rows: 1000,
        ..Limits::default()
    })
    .await;
    let rows = query(&mut flight, "select value from generate_series(1, 1000)").await;
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 1000);
    let status = refusal(&mut flight, "select value from generate_series(1, 1001)").await;
    assert_refused(
        &status,
        Code::ResourceExhausted,
        &["1001 rows", "1000 is the most", "--max-result-rows"],
    );

    let (_running, mut flight) = within(Limits {
        result_bytes: 1 << 20,
        ..Limits::default()
    })
    .await;
    let status = refusal(&mut flight, "select value from generate_series(1, 1000000)").await;
    assert_refused(
        &status,
        Code::ResourceExhausted,
        &["1 MiB is the most", "--max-result-size"],
    );
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped_and_works_no_more() {
    let (running, mut flight) = within(Limits {
        statement_time: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let start = Instant::now();
    let status = refusal(&mut flight, ENDLESS).await;
    assert_refused(
        &status,
        Code::DeadlineExceeded,
        &["longer than 300ms", "--statement-timeout"],
    );
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    idle(&running).await;
    // A change is stopped as well, and writes nothing.
    let change = format!("create table gold.never as {ENDLESS}");
    let error = flight.execute_update(change, None).await.unwrap_err();
    assert!(error.to_string().contains("--statement-timeout"), "{error}");
    idle(&running).await;
    let status = refusal(&mut flight, "select * from gold.never").await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
}

#[tokio::test]
async fn a_client_that_sets_a_time_limit_is_told() {
    let running = start().await;
    let mut flight = running.flight.clone();
    flight.set_header("grpc-timeout", "300m");
    let status = refusal(&mut flight, ENDLESS).await;
    assert_refused(&status, Code::DeadlineExceeded, &["300ms", "grpc-timeout"]);
    idle(&running).await;
}

/// Waits until nothing runs.
async fn idle(running: &Running) {
    let start = Instant::now();
    while running.engine.queries().numbers().0 > 0 {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "a statement still runs"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn statements_wait_for_each_other_and_the_queue_is_bounded() {
    let (running, flight) = within(Limits {
        running: 1,
        running_per_user: 1,
        queued: 2,
        queue_time: Duration::from_millis(500),
        statement_time: Duration::from_mins(1),
        ..Limits::default()
    })
    .await;
    let mut heavy = flight.clone();
    let info = heavy.execute(ENDLESS.into(), None).await.unwrap();
    let endless = heavy.do_get(ticket(&info)).await.unwrap();
    let others = (0..3).map(|_| {
        let mut flight = flight.clone();
        async move { refusal(&mut flight, "select 1").await }
    });
    let refused = join_all(others).await;
    let full: Vec<_> = refused
        .iter()
        .filter(|status| status.message().contains("--queue 2"))
        .collect();
    let late: Vec<_> = refused
        .iter()
        .filter(|status| status.message().contains("waited for 500ms"))
        .collect();
    assert_eq!((full.len(), late.len()), (1, 2), "{refused:?}");
    assert!(
        refused
            .iter()
            .all(|status| status.code() == Code::ResourceExhausted),
        "{refused:?}"
    );
    drop(endless);
    idle(&running).await;
    assert_eq!(number(&mut flight.clone(), "select 1").await, 1);
}

#[tokio::test]
async fn time_in_the_queue_is_not_time_of_the_statement() {
    let (_running, flight) = within(Limits {
        running: 1,
        running_per_user: 1,
        statement_time: Duration::from_millis(700),
        ..Limits::default()
    })
    .await;
    let mut infos = Vec::new();
    for sql in [ENDLESS, ENDLESS, "select 1"] {
        let info = flight.clone().execute(sql.into(), None).await;
        infos.push(info.unwrap());
    }
    let fetched = infos.iter().map(|info| {
        let mut flight = flight.clone();
        async move {
            let rows = flight.do_get(ticket(info)).await?;
            rows.try_collect::<Vec<_>>().await
        }
    });
    let fetched = join_all(fetched).await;
    for late in &fetched[..2] {
        let late = late.as_ref().unwrap_err().to_string();
        assert!(late.contains("--statement-timeout"), "{late}");
    }
    assert!(fetched[2].is_ok(), "{:?}", fetched[2]);
}

#[tokio::test]
async fn values_that_are_bound_are_bounded() {
    let (_running, mut flight) = within(Limits::default()).await;
    let nulls = |rows| {
        let nulls: ArrayRef = Arc::new(NullArray::new(rows));
        RecordBatch::try_from_iter([("a", nulls)]).unwrap()
    };
    let query = "select ? is null as a";
    let mut statement = flight.prepare(query.into(), None).await.unwrap();
    statement.set_parameters(nulls(20_000_000)).unwrap();
    let error = statement.execute().await.unwrap_err().to_string();
    assert!(
        error.contains("20000000 values") && error.contains("bulk ingest"),
        "{error}"
    );
    update(&mut flight, "create table gold.bound (a bigint)").await;
    let insert = "insert into gold.bound values (?)";
    let mut statement = flight.prepare(insert.into(), None).await.unwrap();
    statement.set_parameters(nulls(20_000_000)).unwrap();
    let error = statement.execute_update().await.unwrap_err().to_string();
    assert!(error.contains("20000000 values"), "{error}");
    statement.set_parameters(nulls(1000)).unwrap();
    assert_eq!(statement.execute_update().await.unwrap(), 1000);
}

#[tokio::test]
async fn a_request_is_no_larger_than_a_statement_may_be() {
    let (_running, mut flight) = within(Limits::default()).await;
    let long = |bytes: usize| {
        let sql = format!("select '{}'", "x".repeat(bytes));
        let mut flight = flight.clone();
        async move { refusal(&mut flight, &sql).await }
    };
    for bytes in [4 << 20, 5 << 20, 100 << 20] {
        let status = long(bytes).await;
        let words = ["more than the 4 MiB", "--max-statement-size"];
        assert_refused(&status, Code::ResourceExhausted, &words);
    }
    assert_eq!(number(&mut flight, "select 1").await, 1);
}

#[tokio::test]
async fn sorts_and_aggregates_and_joins_spill_when_memory_is_short() {
    let spill = tempfile::tempdir().unwrap();
    let (running, mut flight) = within(Limits {
        memory: 384 << 20,
        statement_memory: 256 << 20,
        spill_dir: Some(spill.path().to_path_buf()),
        ..Limits::default()
    })
    .await;
    let wide = "create table gold.wide as select value as id, repeat('x', 40) || value as text \
                from generate_series(1, 2000000)";
    update(&mut flight, wide).await;
    let sorted = "select count(*) from (select text, row_number() over (order by text) as n from gold.wide) \
                  where n > 0";
    let grouped = "select count(*) from (select text, count(*) as n from gold.wide group by text)";
    let joined = "select count(*) from gold.wide a join gold.wide b on a.text = b.text";
    for sql in [sorted, grouped, joined] {
        assert_eq!(number(&mut flight, sql).await, 2_000_000, "{sql}");
    }
    let kept = "create table gold.kept as select a.id, b.text from gold.wide a join gold.wide b on a.text = b.text";
    assert_eq!(update(&mut flight, kept).await, 2_000_000);
    gives_back(&running).await;
    let folders = std::fs::read_dir(spill.path()).unwrap().count();
    assert_eq!(folders, 1, "the server's own");
}

#[tokio::test]
async fn a_change_that_was_made_is_never_refused() {
    let (_running, mut flight) = within(Limits {
        results_per_user: 1,
        ..Limits::default()
    })
    .await;
    update(&mut flight, "create table gold.notes (n bigint)").await;
    let waiting = flight.execute("select 1".into(), None).await.unwrap();
    let insert = "insert into gold.notes values (1)".to_string();
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(flight.execute(insert.clone(), None).await.unwrap());
    }
    let mut prepared = flight.prepare(insert, None).await.unwrap();
    made.push(prepared.execute().await.unwrap());
    for info in &made {
        assert_eq!(info.total_records, 1);
        assert!(fetch(&mut flight, info).await.is_empty());
        let status = cancel_info(&mut flight, info).await.unwrap();
        assert_eq!(status, CancelStatus::NotCancellable);
    }
    let status = refusal(&mut flight, "select 2").await;
    assert_refused(&status, Code::ResourceExhausted, &["--user-results"]);
    assert_eq!(fetch(&mut flight, &waiting).await[0].num_rows(), 1);
    let count = "select count(*) from gold.notes";
    assert_eq!(number(&mut flight, count).await, 4);
}

#[tokio::test]
async fn results_that_failed_or_were_cancelled_or_read_in_part_make_room() {
    let (running, mut flight) = within(Limits {
        results_per_user: 1,
        ..Limits::default()
    })
    .await;
    let failing = "select 1 / (value - 3) from generate_series(1, 3)";
    let late = "select 1 / (value - 100000) from generate_series(1, 100000)";
    for sql in [failing, late, failing, late] {
        let status = refusal(&mut flight, sql).await;
        assert_refused(&status, Code::InvalidArgument, &["ivide by zero"]);
    }
    for _ in 0..2 {
        let info = flight.execute(ENDLESS.into(), None).await.unwrap();
        cancel_info(&mut flight, &info).await.unwrap();
    }
    let many = "select value, repeat('x', 2000) as text from generate_series(1, 1000000)";
    for _ in 0..2 {
        let info = flight.execute(many.into(), None).await.unwrap();
        let mut rows = flight.do_get(ticket(&info)).await.unwrap();
        assert!(rows.try_next().await.unwrap().unwrap().num_rows() > 0);
        drop(rows);
        idle(&running).await;
    }
    assert_eq!(number(&mut flight, "select 1").await, 1);
}

/// Waits until operators hold nothing any more.
async fn gives_back(running: &Running) {
    let start = Instant::now();
    while running.engine.holds() != (0, 0) {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{:?}",
            running.engine.holds()
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_cannot_spill_is_refused_with_its_limit_and_others_go_on() {
    let (running, mut flight) = within(Limits {
        memory: 64 << 20,
        statement_memory: 32 << 20,
        ..Limits::default()
    })
    .await;
    let hungry = "select array_length(array_agg(value || 'x')) from generate_series(1, 5000000)";
    let status = refusal(&mut flight, hungry).await;
    assert_refused(
        &status,
        Code::ResourceExhausted,
        &["memory: ", "--statement-memory allows 32 MiB"],
    );
    assert_eq!(number(&mut flight, "select 1").await, 1);
    gives_back(&running).await;
}

#[tokio::test]
async fn what_spills_too_much_is_refused_with_its_limit_and_others_go_on() {
    let (running, mut flight) = within(Limits {
        memory: 64 << 20,
        statement_memory: 32 << 20,
        spill: 1 << 20,
        ..Limits::default()
    })
    .await;
    let spilling = "select count(*) from (select distinct repeat('x', 60) || value from generate_series(1, 1000000))";
    let status = refusal(&mut flight, spilling).await;
    assert_refused(
        &status,
        Code::ResourceExhausted,
        &["1024.0 KB", "--max-spill"],
    );
    assert_eq!(number(&mut flight, "select 1").await, 1);
    gives_back(&running).await;
}
