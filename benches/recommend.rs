//! `recommend` for one listener and `recommend_all` for a hundred, over 90,000 tracks.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use datafusion::prelude::SessionContext;
use moodlake_udfs::{ModelSource, register_all};
use tokio::runtime::Runtime;

const TRACKS: u32 = 90_000;
const PLAYS: u32 = 1_000_000;
const USERS: u32 = 100;

/// Features that differ from row to row and repeat from run to run.
const FEATURES: &str = "\
    (value * 17 % 101) / 101.0 as danceability, (value * 31 % 103) / 103.0 as energy, \
    -20.0 + (value * 13 % 107) / 107.0 * 18.0 as loudness, (value * 7 % 109) / 1090.0 as speechiness, \
    (value * 5 % 113) / 113.0 as acousticness, (value * 3 % 127) / 1270.0 as instrumentalness, \
    (value * 11 % 131) / 262.0 as liveness, (value * 19 % 137) / 137.0 as valence, \
    80.0 + value * 23 % 89 as tempo";

#[expect(
    clippy::disallowed_methods,
    reason = "the functions must work in any session, so they are measured in a plain one"
)]
async fn session() -> datafusion::common::Result<SessionContext> {
    let ctx = SessionContext::new();
    register_all(&ctx, &Arc::new(ModelSource::new()))?;
    for statement in [
        "create schema silver".to_owned(),
        "create schema gold".to_owned(),
        format!("create table silver.track_features as select concat('t', cast(value as varchar)) as track_id, \
                 true as is_analysed, {FEATURES} from generate_series(1, {TRACKS})"),
        "create table silver.tracks as select track_id, concat('Song ', track_id) as track_name, \
         concat('Artist ', right(track_id, 3)) as artist from silver.track_features".to_owned(),
        format!("create table silver.plays as select concat('user', cast(value % {USERS} as varchar)) as user_id, \
                 concat('t', cast(value * 7919 % {TRACKS} + 1 as varchar)) as track_id, \
                 arrow_cast(to_timestamp(1700000000 + value * 31), 'Timestamp(Microsecond, Some(\"UTC\"))') as played_at, \
                 value % 7 + 1 as weekday, 'morning' as daypart, value % 5 < 3 as is_completed, \
                 value % 5 = 4 as is_skipped, {FEATURES} from generate_series(1, {PLAYS})"),
        "create table silver.responses (user_id varchar, track_id varchar, mode varchar, response varchar, \
         responded_at timestamp)".to_owned(),
        "create table gold.coach_policy as select column1 as name, column2 as value from (values ('pace', 0.10), \
         ('pace_min', 0.05), ('pace_max', 0.15), ('valence_drop', 0.02), ('valence_hold', 0.03), \
         ('energy_step', 0.15), ('tempo_change', 12.0), ('loudness_step', 4.0), ('match_percentile', 0.40), \
         ('improvement_weight', 0.40), ('skip_memory', 30.0), ('back_off_memory', 7.0))".to_owned(),
    ] {
        ctx.sql(&statement).await?.collect().await?;
    }
    Ok(ctx)
}

fn recommend_benches(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let ctx = runtime.block_on(session()).expect("made-up tables");
    let mut group = criterion.benchmark_group("recommend");
    group.sample_size(10);
    for (name, sql) in [
        (
            "mirror, one of 100 users",
            "select * from recommend('mirror', 20, 'user7')",
        ),
        (
            "coach, one of 100 users",
            "select * from recommend('coach', 20, 'user7')",
        ),
        (
            "mirror, 100 users",
            "select * from recommend_all('mirror', 20)",
        ),
        (
            "coach, 100 users",
            "select * from recommend_all('coach', 20)",
        ),
        (
            "both modes, 100 users",
            "select * from recommend_all('mirror', 20) union all select * from recommend_all('coach', 20)",
        ),
        (
            "listening_profile, 100 users",
            "select * from listening_profile()",
        ),
    ] {
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let rows = ctx
                    .sql(sql)
                    .await
                    .expect("a plan")
                    .collect()
                    .await
                    .expect("rows");
                assert!(rows.iter().any(|batch| batch.num_rows() > 0));
                black_box(rows)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, recommend_benches);
criterion_main!(benches);
