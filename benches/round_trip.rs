//! One statement over Flight SQL on the loopback interface: the least it costs, and rows a second.

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "the SQL tests use more of it")]
mod support;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use moodlake::client::Client;
use support::TestServer;
use tokio::runtime::Runtime;

const STREAMED_ROWS: u64 = 1_000_000;

fn round_trip_benches(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let server = runtime
        .block_on(TestServer::start())
        .expect("a test server");
    let client = runtime
        .block_on(Client::connect(server.url()))
        .expect("a client");

    runtime
        .block_on(
            client.execute(
                "create table gold.ten as select value as number from generate_series(1, 10)",
            ),
        )
        .expect("a table");

    let mut group = criterion.benchmark_group("round_trip");
    group.bench_function("select 1", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { black_box(client.query("select 1").await.expect("one row")) });
    });
    group.bench_function("table of ten rows", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            black_box(
                client
                    .query("select * from gold.ten")
                    .await
                    .expect("ten rows"),
            )
        });
    });
    group.throughput(Throughput::Elements(STREAMED_ROWS));
    group.sample_size(10);
    let sql = format!(
        "select value as number, value * 0.5 as half from generate_series(1, {STREAMED_ROWS})"
    );
    group.bench_function("stream a million rows", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(|| async { black_box(client.query(&sql).await.expect("rows")) });
    });
    group.finish();
    runtime.block_on(server.stop()).expect("an orderly end");
}

criterion_group!(benches, round_trip_benches);
criterion_main!(benches);
