//! How the functions are called: names, positions, relations, filters, and what a wrong call says.

use arrow::util::pretty::pretty_format_batches;

use crate::session::{
    FEATURES, USUAL, add_plays, error, ladder, numbers, plain_session, play, random_session, run,
    texts,
};

#[tokio::test]
async fn a_wrong_call_says_what_is_right() {
    let ctx = ladder().await;
    for (call, message) in [
        (
            "recommend('foo')",
            "recommend: unknown mode 'foo', expected 'mirror' or 'coach'",
        ),
        (
            "recommend_all('foo')",
            "recommend_all: unknown mode 'foo', expected 'mirror' or 'coach'",
        ),
        (
            "recommend()",
            "recommend: mode is missing, expected 'mirror' or 'coach'",
        ),
        (
            "recommend('coach', pace => 0.2)",
            "recommend: 'pace' must be a valence step from 0.05 to 0.15, got 0.2",
        ),
        (
            "recommend('coach', pace => 0.01)",
            "recommend: 'pace' must be a valence step from 0.05 to 0.15, got 0.01",
        ),
        (
            "recommend('mirror', 0)",
            "recommend: 'k' must be a whole number from 1 to 10000, got 0",
        ),
        (
            "recommend('mirror', 2.5)",
            "recommend: 'k' must be a whole number from 1 to 10000, got 2.5",
        ),
        (
            "recommend('mirror', context => 'brunch')",
            "recommend: unknown word 'brunch' in context, expected weekday",
        ),
        (
            "recommend('mirror', user_id => 'nobody')",
            "recommend: no plays of user 'nobody'",
        ),
        (
            "recommend('mirror', new_artists_only => 'yes')",
            "recommend: 'new_artists_only' must be true or false",
        ),
        (
            "recommend('mirror', candidates => (select 1 as x))",
            "recommend: 'candidates' lacks the columns track_id",
        ),
        ("recommend(user => 'anna')", "recommend: no argument 'user'"),
    ] {
        let message_seen = error(&ctx, &format!("select * from {call}")).await;
        assert!(message_seen.contains(message), "{call}: {message_seen}");
    }
}

#[tokio::test]
async fn without_a_name_there_must_be_one_user() {
    let ctx = ladder().await;
    add_plays(&ctx, &[play("ben", "v10", 1, "completed", USUAL)]).await;
    let message = error(&ctx, "select * from recommend('mirror')").await;
    assert!(
        message.contains("recommend: there are 2 users, name one with user_id => 'NAME'"),
        "{message}"
    );
    let named = run(&ctx, "select * from recommend('mirror', user_id => 'ben')").await;
    assert!(named.num_rows() > 0);
}

#[tokio::test]
async fn named_and_positional_arguments_are_the_same() {
    let ctx = ladder().await;
    let positional = run(
        &ctx,
        "select * from recommend('coach', 4, 'anna', 'monday tuesday', false, 0.05)",
    )
    .await;
    let named = run(
        &ctx,
        "select * from recommend(pace => 0.05, user_id => 'anna', k => 4, context => 'Monday Tuesday', mode => 'coach')",
    )
    .await;
    assert!(positional.num_rows() > 0);
    assert_eq!(positional, named);
    let decimals = run(
        &ctx,
        "select * from recommend('coach', cast(4 as decimal(5, 0)), 'anna', 'monday tuesday', false, \
         cast(0.05 as decimal(5, 2)))",
    )
    .await;
    assert_eq!(positional, decimals);
    let columns: Vec<&str> = positional
        .schema_ref()
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let contract = "rank track_id track_name artist score match_score improvement_score valence_delta energy_delta \
                    tempo_delta_pct reason because";
    assert_eq!(columns.join(" "), contract);
}

#[tokio::test]
async fn explaining_computes_nothing() {
    let ctx = ladder().await;
    run(&ctx, "drop table silver.plays").await;
    run(
        &ctx,
        "create view silver.plays as select 'anna' as user_id, 'v10' as track_id, timestamp '2024-01-01' as played_at,
         1 as weekday, 'morning' as daypart, true as is_completed, false as is_skipped, 0.5 as danceability,
         0.5 as energy, -7.0 as loudness, 0.5 as speechiness, 0.5 as acousticness, 0.5 as instrumentalness,
         0.5 as liveness, cast('no number' || track_id as double) as valence, 120.0 as tempo from silver.tracks",
    )
    .await;
    let plan = run(&ctx, "explain select * from recommend('coach')").await;
    let text = pretty_format_batches(&[plan]).unwrap().to_string();
    assert!(text.contains("pick_tracks"), "{text}");
    assert!(
        error(&ctx, "select * from recommend('coach')")
            .await
            .contains("no number")
    );
}

#[tokio::test]
async fn relations_stand_in_for_the_tables() {
    let ctx = ladder().await;
    let few = run(
        &ctx,
        "select * from recommend('mirror', candidates => (select track_id from silver.tracks where track_id > 'v18'))",
    )
    .await;
    assert_eq!(texts(&few, "track_id"), ["v19", "v20"]);

    let bare = plain_session();
    let given = run(
        &bare,
        &format!(
            "with heard as (select 'x' as track_id, timestamp '2024-01-01' as played_at, {usual}),
             known as (select 'y' as track_id, 'Song' as track_name, 'Who' as artist, {usual})
             select * from recommend('mirror', plays => heard, tracks => (select * from known))",
            usual = FEATURES
                .split(", ")
                .zip(USUAL)
                .map(|(name, value)| format!("{value:?} as {name}"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    )
    .await;
    assert_eq!(texts(&given, "track_id"), ["y"]);
    assert!((numbers(&given, "match_score")[0] - 1.0).abs() < 1e-12);
}

#[tokio::test]
async fn filters_limits_and_projections_apply() {
    let ctx = random_session(3, 10, 300).await;
    let one = run(
        &ctx,
        "select user_id, rank from recommend_all('mirror', 5) where user_id = 'user 4'",
    )
    .await;
    assert_eq!(one.num_rows(), 5);
    assert!(texts(&one, "user_id").iter().all(|user| user == "user 4"));
    let top = run(
        &ctx,
        "select track_id from recommend_all('mirror', 5) where rank = 1 and user_id <> 'user 4'",
    )
    .await;
    assert_eq!(top.num_rows(), 9);
    assert_eq!(
        run(
            &ctx,
            "select reason from recommend_all('mirror', 5) limit 3"
        )
        .await
        .num_rows(),
        3
    );
}
