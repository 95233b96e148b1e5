//! The mirror, and what both modes have in common: profiles, songs, artists, contexts and sums.

use arrow::{array::AsArray, datatypes::Int64Type};

use crate::session::{
    FEATURES, USUAL, add_plays, add_tracks, ladder, numbers, play, random_session, run, session,
    text, texts, usual_with,
};

#[tokio::test]
async fn the_same_data_in_another_order_gives_the_same_rows() {
    let ctx = random_session(7, 10, 300).await;
    let before = run(
        &ctx,
        "select * from recommend_all('coach') order by user_id, rank",
    )
    .await;
    run(&ctx, "create table shuffled as select * from silver.plays order by md5(track_id), played_at desc").await;
    run(&ctx, "drop table silver.plays").await;
    run(&ctx, "create table silver.plays as select * from shuffled").await;
    let after = run(
        &ctx,
        "select * from recommend_all('coach') order by user_id, rank",
    )
    .await;
    assert!(before.num_rows() > 0);
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_song_appears_once_and_ties_go_by_track_id() {
    let ctx = ladder().await;
    for track_id in ["b", "a", "c"] {
        run(
            &ctx,
            &format!("insert into silver.tracks values ('{track_id}', 'TWIN', 'Same')"),
        )
        .await;
        let features = text(USUAL);
        run(
            &ctx,
            &format!("insert into silver.track_features values ('{track_id}', true, {features})"),
        )
        .await;
    }
    let mirror = run(&ctx, "select * from recommend('mirror', 4)").await;
    assert_eq!(texts(&mirror, "track_id"), ["a", "v10", "v11", "v09"]);
    let rank = mirror
        .column_by_name("rank")
        .unwrap()
        .as_primitive::<Int64Type>()
        .values()
        .to_vec();
    assert_eq!(rank, [1, 2, 3, 4]);
}

#[tokio::test]
async fn new_artists_only_leaves_out_who_was_played() {
    let ctx = ladder().await;
    let mirror = run(
        &ctx,
        "select * from recommend('mirror', 50, new_artists_only => true)",
    )
    .await;
    let artists = texts(&mirror, "artist");
    assert!(
        !artists.is_empty()
            && artists
                .iter()
                .all(|artist| artist != "Artist 10" && artist != "Artist 20")
    );
}

#[tokio::test]
async fn a_context_takes_the_profile_from_its_part_of_the_week() {
    let ctx = session().await;
    let track = |id: &str, energy| (id.to_owned(), id.to_owned(), usual_with(1, energy));
    add_tracks(&ctx, &[track("calm", 0.2), track("lively", 0.9)]).await;
    // Day 1 is a Tuesday morning, day 3 a Thursday evening in the tables' columns.
    let plays = [
        play("anna", "calm", 1, "completed", usual_with(1, 0.2)),
        play("anna", "lively", 3, "completed", usual_with(1, 0.9)),
    ];
    add_plays(&ctx, &plays).await;
    for (context, first) in [
        ("Tuesday morning", "calm"),
        ("evening", "lively"),
        ("Thursday", "lively"),
    ] {
        let mirror = run(
            &ctx,
            &format!("select * from recommend('mirror', 1, context => '{context}')"),
        )
        .await;
        assert_eq!(texts(&mirror, "track_id"), [first], "{context}");
        assert!(
            texts(&mirror, "reason")[0].starts_with(&format!("Close to your {context} listening"))
        );
    }
    let none = run(
        &ctx,
        "select * from recommend('mirror', context => 'sunday night')",
    )
    .await;
    assert_eq!(none.num_rows(), 0);
}

#[tokio::test]
async fn a_score_is_the_sum_of_its_contributions() {
    let ctx = random_session(5, 10, 300).await;
    for mode in ["mirror", "coach"] {
        let unpivoted = FEATURES
            .split(", ")
            .map(|name| format!("select track_id, '{name}' as feature, {name} as value from silver.track_features"))
            .collect::<Vec<_>>()
            .join(" union all ");
        let sql = format!(
            "select r.match_score, sum(p.weight * match_similarity(f.value, p.typical, p.spread)) as total
             from recommend_all('{mode}') as r
             inner join listening_profile() as p on r.user_id = p.user_id
             inner join ({unpivoted}) as f on f.track_id = r.track_id and f.feature = p.feature
             group by r.user_id, r.track_id, r.match_score"
        );
        let sums = run(&ctx, &sql).await;
        assert!(sums.num_rows() > 0);
        let pairs = numbers(&sums, "match_score")
            .into_iter()
            .zip(numbers(&sums, "total"));
        assert!(
            pairs
                .into_iter()
                .all(|(score, total)| (score - total).abs() < 1e-9)
        );
    }
}

#[tokio::test]
async fn a_listener_without_known_features_gets_nothing() {
    let ctx = ladder().await;
    run(&ctx, "drop table silver.plays").await;
    let nulls = FEATURES
        .split(", ")
        .map(|name| format!("cast(null as double) as {name}"))
        .collect::<Vec<_>>()
        .join(", ");
    run(
        &ctx,
        &format!(
            "create table silver.plays as select 'anna' as user_id, 'v10' as track_id, timestamp '2024-01-01' as played_at,
             1 as weekday, 'morning' as daypart, true as is_completed, false as is_skipped, {nulls}"
        ),
    )
    .await;
    for mode in ["mirror", "coach"] {
        assert_eq!(
            run(&ctx, &format!("select * from recommend('{mode}')"))
                .await
                .num_rows(),
            0
        );
    }
}

#[tokio::test]
async fn a_play_without_a_time_weighs_nothing() {
    let ctx = ladder().await;
    let profile = "select feature, typical from listening_profile() order by feature";
    let before = run(&ctx, profile).await;
    let undated = format!(
        "insert into silver.plays values ('anna', 'far0', null, 1, 'morning', true, false, {})",
        text([0.1, 0.05, -30.0, 0.9, 0.9, 0.9, 0.9, 0.40, 60.0])
    );
    run(&ctx, &undated).await;
    assert_eq!(run(&ctx, profile).await, before);
}

#[tokio::test]
async fn a_play_of_nobody_is_nobodys() {
    let ctx = ladder().await;
    let before = run(&ctx, "select * from recommend('mirror')").await;
    run(
        &ctx,
        "insert into silver.plays select null, track_id, played_at, weekday, daypart, is_completed, is_skipped, \
         danceability, energy, loudness, speechiness, acousticness, instrumentalness, liveness, valence, tempo \
         from silver.plays",
    )
    .await;
    assert_eq!(run(&ctx, "select * from recommend('mirror')").await, before);
}

#[tokio::test]
async fn an_id_appears_once_under_whatever_title() {
    let ctx = ladder().await;
    run(
        &ctx,
        "insert into silver.tracks values ('v10', 'Another title', 'Artist 10')",
    )
    .await;
    let mirror = run(&ctx, "select * from recommend('mirror', 3)").await;
    assert_eq!(texts(&mirror, "track_id"), ["v10", "v11", "v09"]);
}

#[tokio::test]
async fn an_artist_that_only_plays_name_is_known_too() {
    let ctx = ladder().await;
    let mirror = run(
        &ctx,
        "with heard as (select *, 'ARTIST 11' as artist from silver.plays),
         few as (
             select t.track_name, t.artist, f.*
             from silver.tracks as t inner join silver.track_features as f on t.track_id = f.track_id
             where f.track_id > 'v10'
         )
         select * from recommend('mirror', 1, plays => heard, tracks => few, new_artists_only => true)",
    )
    .await;
    assert_eq!(texts(&mirror, "artist"), ["Artist 12"]);
}

#[tokio::test]
async fn flags_may_be_numbers() {
    let ctx = ladder().await;
    let as_given = run(&ctx, "select * from recommend('coach')").await;
    let as_numbers = run(
        &ctx,
        &format!(
            "with heard as (select user_id, track_id, played_at, cast(is_completed as int) as is_completed,
             cast(is_skipped as int) as is_skipped, {FEATURES} from silver.plays)
             select * from recommend('coach', plays => heard)"
        ),
    )
    .await;
    assert_eq!(as_given, as_numbers);
}

#[tokio::test]
async fn because_names_the_listeners_own_plays_that_sound_most_alike() {
    let ctx = ladder().await;
    let mirror = run(&ctx, "select * from recommend('mirror', 3)").await;
    assert_eq!(
        texts(&mirror, "because"),
        ["Song v10 by Artist 10 (8 plays); Song v20 by Artist 20 (4 plays)"; 3]
    );
    // Skips and plays outside the context are behind nothing.
    run(&ctx, "insert into silver.plays select user_id, 'v11', played_at, weekday, daypart, false, true, danceability, energy, \
         loudness, speechiness, acousticness, instrumentalness, liveness, valence, tempo from silver.plays limit 1").await;
    let morning = run(
        &ctx,
        "select * from recommend('mirror', 1, context => 'morning')",
    )
    .await;
    assert_eq!(
        texts(&morning, "because"),
        ["Song v10 by Artist 10 (2 plays); Song v20 by Artist 20 (1 play)"]
    );
}

#[tokio::test]
async fn an_artist_has_a_tenth_of_a_list_unless_nothing_else_is_left() {
    let ctx = session().await;
    let track = |at: u32, artist: &str| {
        let features = usual_with(8, 120.0 + 0.1 * f64::from(at));
        (format!("{artist}{at:02}"), artist.to_owned(), features)
    };
    let mut tracks: Vec<_> = (0..30).map(|at| track(at, "near")).collect();
    tracks.extend((0..30).map(|at| track(100 + at, &format!("other{at}"))));
    add_tracks(&ctx, &tracks).await;
    add_plays(&ctx, &[play("anna", "near00", 1, "completed", USUAL)]).await;
    let near = async |k: usize| {
        let mirror = run(&ctx, &format!("select * from recommend('mirror', {k})")).await;
        assert_eq!(mirror.num_rows(), k);
        let artists = texts(&mirror, "artist");
        artists.iter().filter(|artist| *artist == "near").count()
    };
    assert_eq!(near(10).await, 2);
    assert_eq!(near(30).await, 3);
    assert_eq!(near(60).await, 30);
}

#[tokio::test]
async fn a_list_is_calibrated_to_the_listeners_genres() {
    let ctx = session().await;
    let of_genre = |genre: &'static str, low: u32| {
        (0..40).map(move |at| {
            let features = usual_with(8, 120.0 + f64::from(low) + 0.01 * f64::from(at));
            (
                format!("{genre}{at:02}"),
                format!("{genre} artist {at}"),
                features,
            )
        })
    };
    // Rock fits a little better; the listener plays as much of the one as of the other.
    let tracks: Vec<_> = of_genre("rock", 0).chain(of_genre("jazz", 1)).collect();
    add_tracks(&ctx, &tracks).await;
    let plays = ["rock00", "jazz00"].map(|track| play("anna", track, 1, "completed", USUAL));
    add_plays(&ctx, &plays).await;
    let jazz = async || {
        let mirror = run(&ctx, "select * from recommend('mirror', 10)").await;
        let tracks = texts(&mirror, "track_id");
        tracks
            .iter()
            .filter(|track| track.starts_with("jazz"))
            .count()
    };
    let before = jazz().await;
    run(&ctx, "create table silver.track_genres as select track_id, left(track_id, 4) as genre from silver.tracks").await;
    let after = jazz().await;
    assert!(before < 5, "{before}");
    assert_eq!(after, 5);
}
