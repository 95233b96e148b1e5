//! Made-up tables in a plain session, and what the tests read from results.

use std::sync::Arc;

use arrow::{
    array::{AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, Float64Type, Int64Type},
};
use datafusion::prelude::SessionContext;
use moodlake_udfs::{ModelSource, register_all};

/// The features in the order of the made-up tables.
pub(crate) const FEATURES: &str = "danceability, energy, loudness, speechiness, acousticness, instrumentalness, liveness, valence, tempo";

/// The caps as the product ships them.
pub(crate) const POLICY: [(&str, f64); 12] = [
    ("pace", 0.10),
    ("pace_min", 0.05),
    ("pace_max", 0.15),
    ("valence_drop", 0.02),
    ("valence_hold", 0.03),
    ("energy_step", 0.15),
    ("tempo_change", 12.0),
    ("loudness_step", 4.0),
    ("match_percentile", 0.4),
    ("improvement_weight", 0.4),
    ("skip_memory", 30.0),
    ("back_off_memory", 7.0),
];

/// A linear congruential generator: the tests need variety, not quality (Knuth, TAOCP 2, MMIX's constants).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn draw(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).expect("31 bits")
    }

    /// From 0 up to 1.
    pub(crate) fn share(&mut self) -> f64 {
        f64::from(self.draw()) / f64::from(1_u32 << 31)
    }

    /// From 0 to `n - 1`.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        self.draw() % n
    }

    /// Features around a valence, loosely alike, so that some tracks pass the caps and many do not.
    pub(crate) fn features(&mut self, valence: f64, width: f64) -> [f64; 9] {
        let mut features = [0.6, 0.6, 0.5, 0.1, 0.3, 0.1, 0.2, valence, 0.5]
            .map(|middle: f64| (middle + width * (self.share() - 0.5)).clamp(0.0, 1.0));
        features[2] = -14.0 + 12.0 * features[2];
        features[8] = 80.0 + 80.0 * features[8];
        features
    }
}

/// Many random tracks and users with their own tastes and answers; some plays and answers have no time.
pub(crate) async fn random_session(seed: u64, users: u32, tracks: u32) -> SessionContext {
    let mut random = Random(seed);
    let ctx = session().await;
    let (mut names, mut features, mut plays) = (vec![], vec![], vec![]);
    let mut known = vec![];
    for track in 0..tracks {
        let valence = random.share();
        let of_track = random.features(valence, 0.5);
        let is_analysed = random.share() > 0.05;
        names.push(format!(
            "('t{track}', 'Song {}', 'Artist {}')",
            track % (tracks - 7),
            track % (tracks - 7) % 40
        ));
        features.push(format!("('t{track}', {is_analysed}, {})", text(of_track)));
        known.push(of_track);
    }
    for user in 0..users {
        let (low, high) = (random.below(tracks), random.below(tracks));
        for _ in 0..5 + random.below(40) {
            let track = (low.min(high) + random.below(low.abs_diff(high) + 1)) as usize;
            let what = ["completed", "completed", "partial", "skipped"][random.below(4) as usize];
            plays.push(play(
                &format!("user {user}"),
                &format!("t{track}"),
                random.below(120),
                what,
                known[track],
            ));
        }
    }
    run(
        &ctx,
        &format!("insert into silver.tracks values {}", names.join(", ")),
    )
    .await;
    run(
        &ctx,
        &format!(
            "insert into silver.track_features values {}",
            features.join(", ")
        ),
    )
    .await;
    add_plays(&ctx, &plays).await;
    let undated = format!(
        "insert into silver.plays select user_id, track_id, null, weekday, daypart, is_completed, is_skipped, {FEATURES}
         from silver.plays where md5(concat(user_id, track_id)) < '08'"
    );
    run(&ctx, &undated).await;
    add_answers(&ctx, &mut random, users, tracks).await;
    ctx
}

async fn add_answers(ctx: &SessionContext, random: &mut Random, users: u32, tracks: u32) {
    let mut answers = vec![];
    for user in 0..users {
        for _ in 0..random.below(6) {
            let mode = ["coach", "coach", "mirror"][random.below(3) as usize];
            let response =
                ["skip", "skip", "play", "like", "stay", "less"][random.below(6) as usize];
            let hour = 24 * 90 + random.below(24 * 40);
            let at = match random.below(10) {
                0 => "null".to_owned(),
                _ => format!("timestamp '2024-01-01 12:00:00' + interval '{hour} hours'"),
            };
            let track = random.below(tracks);
            answers.push(format!(
                "('user {user}', 't{track}', '{mode}', '{response}', {at})"
            ));
        }
    }
    let answers = answers.join(", ");
    run(
        ctx,
        &format!("insert into silver.responses values {answers}"),
    )
    .await;
}

/// Replaces the policy by one that is drawn at random, each cap from a few values.
pub(crate) async fn draw_policy(ctx: &SessionContext, random: &mut Random) {
    let choices: [&[f64]; 12] = [
        &[0.05, 0.10, 0.30],
        &[0.05],
        &[0.08, 0.15, 0.40],
        &[0.0, 0.02, 0.05],
        &[0.0, 0.01, 0.03],
        &[0.05, 0.15, 0.30],
        &[5.0, 12.0, 30.0],
        &[1.0, 4.0, 20.0],
        &[0.0, 0.4, 0.8],
        &[0.0, 0.4, 1.0],
        &[0.0, 30.0, 1000.0],
        &[0.0, 7.0, 30.0],
    ];
    let caps: Vec<String> = POLICY
        .iter()
        .zip(choices)
        .map(|((name, _), values)| {
            let at = random.below(u32::try_from(values.len()).expect("few values"));
            format!("('{name}', {:?})", values[at as usize])
        })
        .collect();
    let sql = format!(
        "create or replace table gold.coach_policy as select column1 as name, column2 as value from (values {})",
        caps.join(", ")
    );
    run(ctx, &sql).await;
}

/// What the listener of the ladder plays.
pub(crate) const USUAL: [f64; 9] = [0.6, 0.6, -7.0, 0.05, 0.2, 0.0, 0.15, 0.40, 120.0];

/// The same with one feature changed.
pub(crate) fn usual_with(at: usize, value: f64) -> [f64; 9] {
    let mut features = USUAL;
    features[at] = value;
    features
}

/// Tracks that differ in valence only: `v00` at 0.30 to `v20` at 0.50.
pub(crate) fn rungs() -> Vec<(String, String, [f64; 9])> {
    let rung = |step: u32| {
        let features = usual_with(7, 0.30 + 0.01 * f64::from(step));
        (format!("v{step:02}"), format!("Artist {step}"), features)
    };
    (0..=20).map(rung).collect()
}

/// One listener at valence 0.40 (one play in five at 0.70, long ago) and a ladder of tracks above and below.
pub(crate) async fn ladder() -> SessionContext {
    let ctx = session().await;
    let far = [0.1, 0.05, -30.0, 0.9, 0.9, 0.9, 0.9, 0.40, 60.0];
    let mut tracks = rungs();
    tracks.extend((0..40).map(|other| (format!("far{other}"), "Far".to_owned(), far)));
    add_tracks(&ctx, &tracks).await;
    let mut plays: Vec<String> = (0..8)
        .map(|day| play("anna", "v10", 300 + day, "completed", USUAL))
        .collect();
    plays.extend((0..4).map(|day| play("anna", "v20", day, "completed", usual_with(7, 0.70))));
    add_plays(&ctx, &plays).await;
    ctx
}

/// A session with empty tables and the shipped caps.
pub(crate) async fn session() -> SessionContext {
    let ctx = plain_session();
    let features = FEATURES
        .split(", ")
        .map(|name| format!("{name} double"))
        .collect::<Vec<_>>()
        .join(", ");
    for statement in [
        "create schema silver".to_owned(),
        "create schema gold".to_owned(),
        format!(
            "create table silver.plays (user_id varchar, track_id varchar, played_at timestamp, weekday bigint, \
             daypart varchar, is_completed boolean, is_skipped boolean, {features})"
        ),
        "create table silver.tracks (track_id varchar, track_name varchar, artist varchar)".to_owned(),
        format!("create table silver.track_features (track_id varchar, is_analysed boolean, {features})"),
        "create table silver.responses (user_id varchar, track_id varchar, \"mode\" varchar, response varchar, \
         responded_at timestamp)"
            .to_owned(),
        "create table gold.coach_policy (name varchar, value double, unit varchar, description varchar)".to_owned(),
    ] {
        run(&ctx, &statement).await;
    }
    let caps = POLICY.map(|(name, value)| format!("('{name}', {value:?}, '', '')"));
    run(
        &ctx,
        &format!("insert into gold.coach_policy values {}", caps.join(", ")),
    )
    .await;
    ctx
}

/// A session with the functions and no tables.
#[expect(
    clippy::disallowed_methods,
    reason = "the functions must work in any session, so they are tested in a plain one"
)]
pub(crate) fn plain_session() -> SessionContext {
    let ctx = SessionContext::new();
    register_all(&ctx, &Arc::new(ModelSource::new())).expect("functions");
    ctx
}

/// Analysed tracks: id, artist, features.
pub(crate) async fn add_tracks(ctx: &SessionContext, tracks: &[(String, String, [f64; 9])]) {
    let names = tracks
        .iter()
        .map(|(id, artist, _)| format!("('{id}', 'Song {id}', '{artist}')"));
    let features = tracks
        .iter()
        .map(|(id, _, features)| format!("('{id}', true, {})", text(*features)));
    let [names, features] =
        [names.collect::<Vec<_>>(), features.collect()].map(|rows| rows.join(", "));
    run(ctx, &format!("insert into silver.tracks values {names}")).await;
    run(
        ctx,
        &format!("insert into silver.track_features values {features}"),
    )
    .await;
}

/// Rows made by [`play`].
pub(crate) async fn add_plays(ctx: &SessionContext, plays: &[String]) {
    run(
        ctx,
        &format!("insert into silver.plays values {}", plays.join(", ")),
    )
    .await;
}

/// A row of `silver.plays`, some days after 1 January 2024.
pub(crate) fn play(
    user_id: &str,
    track_id: &str,
    day: u32,
    what: &str,
    features: [f64; 9],
) -> String {
    let (weekday, daypart) = (
        day % 7 + 1,
        ["night", "morning", "afternoon", "evening"][(day % 4) as usize],
    );
    format!(
        "('{user_id}', '{track_id}', timestamp '2024-01-01 12:00:00' + interval '{day} days', {weekday}, '{daypart}', \
         {}, {}, {})",
        what == "completed",
        what == "skipped",
        text(features)
    )
}

/// Features as values in SQL.
pub(crate) fn text(features: [f64; 9]) -> String {
    features.map(|value| format!("{value:?}")).join(", ")
}

/// All rows of a query.
pub(crate) async fn run(ctx: &SessionContext, sql: &str) -> RecordBatch {
    let frame = ctx
        .sql(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame
        .collect()
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    concat_batches(
        batches.first().map_or(&schema, |batch| batch.schema_ref()),
        &batches,
    )
    .expect("batches of one schema")
}

/// The message of a statement that must fail, while planning or running.
pub(crate) async fn error(ctx: &SessionContext, sql: &str) -> String {
    match ctx.sql(sql).await {
        Err(error) => error.to_string(),
        Ok(frame) => frame.collect().await.expect_err(sql).to_string(),
    }
}

/// One value of a column of integers.
pub(crate) fn integer(batch: &RecordBatch, column: usize, row: usize) -> i64 {
    batch.column(column).as_primitive::<Int64Type>().value(row)
}

/// A column of doubles.
pub(crate) fn numbers(batch: &RecordBatch, column: &str) -> Vec<f64> {
    batch
        .column_by_name(column)
        .expect(column)
        .as_primitive::<Float64Type>()
        .values()
        .to_vec()
}

/// A column of text.
pub(crate) fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let column = arrow::compute::cast(batch.column_by_name(column).expect(column), &DataType::Utf8)
        .expect("text");
    column
        .as_string::<i32>()
        .iter()
        .flatten()
        .map(ToOwned::to_owned)
        .collect()
}
