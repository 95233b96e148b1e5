//! The coach: every cap for every row, and nothing rather than a broken one.

use arrow::{array::Array, util::pretty::pretty_format_batches};
use datafusion::prelude::SessionContext;

use crate::session::{
    FEATURES, POLICY, Random, USUAL, add_plays, add_tracks, draw_policy, error, integer, ladder,
    numbers, play, random_session, run, rungs, session, texts, usual_with,
};

/// Every row of `coached` that breaks a promise of the policy, computed by SQL of its own from the tables.
#[expect(clippy::too_many_lines, reason = "one query")]
fn broken(coached: &str, pace: &str) -> String {
    let caps = POLICY
        .map(|(name, _)| format!("max(value) filter (where name = '{name}') as {name}"))
        .join(", ");
    let features = FEATURES
        .split(", ")
        .map(|name| {
            format!("select track_id, '{name}' as feature, {name} as value from silver.track_features where is_analysed")
        })
        .collect::<Vec<_>>()
        .join(" union all ");
    format!(
        "with coached as ({coached}),
         caps as (select {caps} from gold.coach_policy),
         profiles as (select * from listening_profile()),
         present as (
             select
                 user_id, max(typical) filter (where feature = 'valence') as valence,
                 max(typical) filter (where feature = 'loudness') as loudness
             from profiles group by user_id
         ),
         latest as (select user_id, max(played_at) as last_at from silver.plays group by user_id),
         targets as (
             select user_id, round(percentile_cont(0.75) within group (order by valence), 9) as target
             from silver.plays group by user_id
         ),
         answers as (
             select
                 responses.user_id, response,
                 row_number() over (
                     partition by responses.user_id order by responded_at desc nulls first, track_id, response
                 ) as recency
             from silver.responses
             inner join latest on responses.user_id = latest.user_id
             cross join caps
             where mode = 'coach' and coalesce(
                 date_part('epoch', responded_at) >= date_part('epoch', last_at) - 86400 * back_off_memory, true
             )
         ),
         backed_off as (
             select
                 latest.user_id, coalesce(answer.response in ('stay', 'skip', 'less'), false) as is_slowed,
                 coalesce(answer.response = 'stay' or (
                     answer.response in ('skip', 'less') and before.response in ('stay', 'skip', 'less')
                 ), false) as is_held
             from latest
             left join answers as answer on latest.user_id = answer.user_id and answer.recency = 1
             left join answers as before on latest.user_id = before.user_id and before.recency = 2
         ),
         earlier as (
             select
                 latest.user_id, sum(weight * valence) / sum(weight) as before
             from (
                 select
                     user_id, played_at, valence,
                     case when is_completed then 1.0 when is_skipped then 0.2 else 0.5 end
                     * power(2.0, date_part('epoch', played_at) / 86400.0 / 14.0 - 19723.0 / 14.0) as weight
                 from silver.plays where played_at is not null
             ) as weighted
             inner join latest on weighted.user_id = latest.user_id
             where date_trunc('day', played_at) < date_trunc('day', last_at)
             group by latest.user_id
         ),
         limits as (
             select
                 targets.user_id, is_held or valence >= target as is_still, valence, loudness,
                 least(
                     least(coalesce({pace}, pace), pace_max, 0.15) / case when is_slowed then 2 else 1 end,
                     coalesce(0.25 - (valence - before), 0.25)
                 ) as most
             from targets
             left join earlier on targets.user_id = earlier.user_id
             inner join present on targets.user_id = present.user_id
             inner join backed_off on targets.user_id = backed_off.user_id
             cross join caps
         ),
         matches as (
             select profiles.user_id, features.track_id, sum(weight * match_similarity(value, typical, spread)) as match_score
             from profiles inner join ({features}) as features on profiles.feature = features.feature
             group by profiles.user_id, features.track_id
         ),
         ranked as (
             select
                 user_id, track_id, match_score as expected_score,
                 cume_dist() over (partition by user_id order by round(match_score, 9)) as matched_share
             from matches
         )
         select coached.*, limits.*, ranked.matched_share
         from coached
         inner join limits on coached.user_id = limits.user_id
         left join ranked on coached.user_id = ranked.user_id and coached.track_id = ranked.track_id
         left join silver.track_features on coached.track_id = track_features.track_id
         cross join caps
         where not coalesce(
             track_features.is_analysed
             and abs(coached.valence_delta - (track_features.valence - limits.valence)) < 1e-9
             and coached.valence_delta >= -1e-9 - case when is_still then least(valence_drop, valence_hold) else valence_drop end
             and coached.valence_delta <= 1e-9 + case when is_still then least(most, valence_hold) else most end
             and abs(coached.energy_delta) <= energy_step + 1e-9
             and abs(coached.tempo_delta_pct) <= tempo_change + 1e-9
             and abs(track_features.loudness - limits.loudness) <= loudness_step + 1e-9
             and abs(coached.match_score - expected_score) < 1e-9
             and matched_share >= match_percentile - 1e-9
             and coached.improvement_score between 0 and 1
             and abs(coached.score - (
                 (1 - improvement_weight) * coached.match_score + improvement_weight * coached.improvement_score
             )) < 1e-12,
             false
         )"
    )
}

/// Every row of `recommended` that its listener refused: answered `less` to or, where `skips` count, skipped lately.
fn refused(recommended: &str, skips: bool) -> String {
    format!(
        "with caps as (select max(value) as days from gold.coach_policy where name = 'skip_memory'),
         latest as (select user_id, max(played_at) as last_at from silver.plays group by user_id),
         happened as (
             select user_id, track_id, response, responded_at as at from silver.responses
             union all
             select user_id, track_id, 'skip', played_at from silver.plays where is_skipped
         )
         select recommended.*
         from ({recommended}) as recommended
         inner join happened on recommended.user_id = happened.user_id and recommended.track_id = happened.track_id
         inner join latest on latest.user_id = happened.user_id
         cross join caps
         where response = 'less' or ({skips} and response = 'skip' and coalesce(
             date_part('epoch', happened.at) >= date_part('epoch', last_at) - 86400 * days, true
         ))"
    )
}

async fn assert_none(ctx: &SessionContext, wrong: &str, seed: u64) {
    let wrong = run(ctx, wrong).await;
    let rows = wrong.num_rows();
    let table = pretty_format_batches(&[wrong]).map(|table| table.to_string());
    assert_eq!(rows, 0, "seed {seed}:\n{table:?}");
}

#[tokio::test]
async fn every_cap_holds_for_every_row_of_many_users() {
    let mut rows = 0;
    for seed in 1..=16 {
        let ctx = random_session(seed, 25, 300).await;
        if seed > 4 {
            draw_policy(&ctx, &mut Random(seed)).await;
        }
        let (coach, mirror) = ["coach", "mirror"]
            .map(|mode| format!("select * from recommend_all('{mode}', 50)"))
            .into();
        assert_none(&ctx, &broken(&coach, "null"), seed).await;
        assert_none(&ctx, &refused(&coach, true), seed).await;
        assert_none(&ctx, &refused(&mirror, false), seed).await;
        let user = seed % 25;
        let paced = format!(
            "select 'user {user}' as user_id, * from recommend('coach', 50, 'user {user}', pace => 0.05)"
        );
        assert_none(&ctx, &broken(&paced, "0.05"), seed).await;
        rows += integer(
            &run(&ctx, &format!("select count(*) from ({coach})")).await,
            0,
            0,
        );
    }
    assert!(rows > 1000, "the caps were tried on {rows} rows only");
}

#[tokio::test]
async fn candidates_only_choose() {
    let ctx = random_session(9, 8, 300).await;
    let mut coached = 0;
    for (user, mode) in (0..8).flat_map(|user| [(user, "coach"), (user, "mirror")]) {
        let free = format!("recommend('{mode}', 50, 'user {user}'");
        let wanted = format!("(select track_id from {free}) where rank % 3 = 1)");
        let chosen = run(
            &ctx,
            &format!("select * from {free}, candidates => {wanted})"),
        )
        .await;
        let all = run(
            &ctx,
            &format!("select * from {free}) where rank % 3 = 1 order by rank"),
        )
        .await;
        let rows = |batch| {
            let scores = numbers(batch, "score");
            texts(batch, "track_id")
                .into_iter()
                .zip(scores)
                .collect::<Vec<_>>()
        };
        let (chosen, all) = (rows(&chosen), rows(&all));
        if mode == "mirror" {
            assert_eq!(chosen, all, "{user}");
        } else {
            // The coach begins where the listener is: with few tracks to begin with it offers fewer.
            assert!(chosen.iter().all(|row| all.contains(row)), "{user}");
            coached += chosen.len();
        }
    }
    assert!(coached > 10, "{coached} tracks coached");
}

#[tokio::test]
async fn coach_leads_one_step_and_mirror_stays() {
    let ctx = ladder().await;
    let coach = run(&ctx, "select * from recommend('coach', 3)").await;
    assert_eq!(texts(&coach, "track_id"), ["v13", "v15", "v20"]);
    assert!(numbers(&coach, "improvement_score").is_sorted());
    assert!(
        texts(&coach, "reason")[2]
            .starts_with("A gentle step: valence 0.50, 0.10 above where you are")
    );
    let mirror = run(&ctx, "select * from recommend('mirror', 3)").await;
    assert_eq!(texts(&mirror, "track_id"), ["v10", "v11", "v09"]);
    assert_eq!(
        mirror
            .column_by_name("improvement_score")
            .unwrap()
            .null_count(),
        3
    );
    assert!(texts(&mirror, "reason")[0].starts_with("Close to your recent listening: "));
    assert_eq!(numbers(&mirror, "score"), numbers(&mirror, "match_score"));
}

#[tokio::test]
async fn a_missing_null_or_double_cap_means_no_row() {
    let ctx = ladder().await;
    run(
        &ctx,
        "create table policy as select name, value from gold.coach_policy",
    )
    .await;
    for (name, _) in POLICY {
        for broken in [
            format!("select * from policy where name <> '{name}'"),
            format!("select name, case when name <> '{name}' then value end as value from policy"),
            format!("select * from policy union all select * from policy where name = '{name}'"),
        ] {
            run(&ctx, "drop table gold.coach_policy").await;
            run(&ctx, &format!("create table gold.coach_policy as {broken}")).await;
            let coach = run(&ctx, "select * from recommend('coach')").await;
            assert_eq!(coach.num_rows(), 0, "{broken}");
        }
    }
    assert!(
        run(&ctx, "select * from recommend('mirror')")
            .await
            .num_rows()
            > 0
    );
}

#[tokio::test]
async fn a_cap_that_is_narrowed_holds_at_once() {
    let ctx = ladder().await;
    run(
        &ctx,
        "create table policy as select name, value from gold.coach_policy",
    )
    .await;
    run(&ctx, "drop table gold.coach_policy").await;
    run(
        &ctx,
        "create table gold.coach_policy as
         select name, case when name = 'pace_max' then 0.06 else value end as value from policy",
    )
    .await;
    let coach = run(&ctx, "select * from recommend('coach')").await;
    let highest = numbers(&coach, "valence_delta")
        .into_iter()
        .fold(f64::MIN, f64::max);
    assert!((highest - 0.06).abs() < 1e-6, "{highest}");
    let message = error(&ctx, "select * from recommend('coach', pace => 0.1)").await;
    assert!(
        message
            .contains("recommend: 'pace' must be from 0.05 to 0.06 (gold.coach_policy), got 0.1")
    );
}

/// A listener at 0.10 for a week, whose last day was above; undated plays at 0.90 make the target.
async fn moved_to(valence: f64) -> SessionContext {
    let ctx = session().await;
    let rung = |step: u32| {
        let features = usual_with(7, 0.01 * f64::from(step));
        (format!("v{step:02}"), format!("Artist {step}"), features)
    };
    add_tracks(&ctx, &(0..=60).map(rung).collect::<Vec<_>>()).await;
    let mut plays: Vec<String> = (0..8)
        .map(|day| play("anna", "v10", day, "completed", usual_with(7, 0.10)))
        .collect();
    plays.extend((0..40).map(|_| play("anna", "v10", 8, "completed", usual_with(7, valence))));
    add_plays(&ctx, &plays).await;
    let undated = "insert into silver.plays select user_id, track_id, null, weekday, daypart, is_completed, is_skipped, \
         danceability, energy, loudness, speechiness, acousticness, instrumentalness, liveness, 0.9, tempo \
         from silver.plays limit 20";
    run(&ctx, undated).await;
    ctx
}

#[tokio::test]
async fn a_session_leads_no_further_than_its_cap_together() {
    for (valence, expected) in [(0.30, "ok"), (0.40, "session_cap"), (0.50, "session_cap")] {
        let ctx = moved_to(valence).await;
        let profile = "select typical from listening_profile() where feature = 'valence'";
        let moved = numbers(&run(&ctx, profile).await, "typical")[0] - 0.10;
        let status = run(&ctx, "select * from recommend_status('coach')").await;
        assert_eq!(texts(&status, "status"), [expected], "{moved}");
        let coach = run(&ctx, "select * from recommend('coach')").await;
        let deltas = numbers(&coach, "valence_delta");
        let room = 0.25 - moved;
        assert!(
            deltas.iter().all(|delta| *delta <= room + 1e-9),
            "{room}: {deltas:?}"
        );
        if expected == "ok" {
            let highest = deltas.into_iter().fold(f64::MIN, f64::max);
            assert!(room < 0.10 && highest > room - 0.011, "{highest} of {room}");
        } else {
            assert!(
                room < 0.0 && (room > -0.02) == (coach.num_rows() > 0),
                "{room}"
            );
        }
    }
}

#[tokio::test]
async fn a_status_says_why_nothing_fits() {
    let ctx = ladder().await;
    let status = async |call: &str| {
        let rows = run(&ctx, &format!("select * from {call}")).await;
        assert_eq!(rows.num_rows(), 1, "{call}");
        texts(&rows, "status").concat()
    };
    assert_eq!(status("recommend_status('mirror')").await, "ok");
    assert_eq!(status("recommend_status('coach', 'anna')").await, "ok");
    let both = run(&ctx, "select * from recommend_status()").await;
    assert_eq!(texts(&both, "mode"), ["mirror", "coach"]);
    let fits = run(&ctx, "select * from recommend('coach', 100)").await;
    assert!(integer(&both, 2, 1) >= i64::try_from(fits.num_rows()).unwrap());
    run(&ctx, "insert into silver.responses values ('anna', 'far0', 'coach', 'stay', timestamp '2024-11-05')").await;
    assert_eq!(status("recommend_status('coach')").await, "resting");
    run(&ctx, "drop table silver.responses").await;
    run(
        &ctx,
        "create or replace table gold.coach_policy as
         select name, case when name = 'energy_step' then 0.0 else value end as value from gold.coach_policy",
    )
    .await;
    run(&ctx, "create or replace table silver.track_features as select * from silver.track_features where energy < 0.5").await;
    assert_eq!(status("recommend_status('coach')").await, "no_fit");
    run(
        &ctx,
        "create or replace table gold.coach_policy as select 'pace' as name, 0.1 as value",
    )
    .await;
    assert_eq!(status("recommend_status('coach')").await, "no_policy");
    let message = error(&ctx, "select * from recommend_status('coach', 'ben')").await;
    assert!(message.contains("no plays of user 'ben'"), "{message}");
}

#[tokio::test]
async fn at_the_target_the_coach_stays() {
    let ctx = session().await;
    add_tracks(&ctx, &rungs()).await;
    let plays: Vec<String> = (0..8)
        .map(|day| play("anna", "v10", day, "completed", USUAL))
        .collect();
    add_plays(&ctx, &plays).await;
    let coach = run(&ctx, "select * from recommend('coach')").await;
    assert!(coach.num_rows() > 0);
    assert!(
        numbers(&coach, "valence_delta")
            .iter()
            .all(|delta| delta.abs() <= 0.03)
    );
    assert!(
        texts(&coach, "reason")
            .iter()
            .all(|reason| reason.starts_with("Stays where you are: valence"))
    );
}

#[tokio::test]
async fn answers_slow_the_coach_down() {
    let highest = async |answers: &[(&str, &str)]| {
        let ctx = ladder().await;
        for (at, (response, track_id)) in answers.iter().enumerate() {
            let answer = format!(
                "insert into silver.responses values ('anna', '{track_id}', 'coach', '{response}', \
                 timestamp '2024-11-04 12:00:00' + interval '{at} hours')"
            );
            run(&ctx, &answer).await;
        }
        let coach = run(&ctx, "select * from recommend('coach')").await;
        numbers(&coach, "valence_delta")
            .into_iter()
            .fold(f64::MIN, f64::max)
    };
    assert!((highest(&[]).await - 0.10).abs() < 1e-6);
    assert!((highest(&[("skip", "far0")]).await - 0.05).abs() < 1e-6);
    assert!(highest(&[("skip", "far0"), ("skip", "far1")]).await <= 0.03);
    assert!(highest(&[("stay", "far0")]).await <= 0.03);
    assert!(highest(&[("stay", "far0"), ("skip", "far1")]).await <= 0.03);
    assert!((highest(&[("skip", "far0"), ("play", "v12")]).await - 0.10).abs() < 1e-6);
    // A skipped track itself is not offered again; the others of the ladder are.
    assert!((highest(&[("less", "v20"), ("play", "v12")]).await - 0.09).abs() < 1e-6);
}

#[tokio::test]
async fn a_streak_of_low_days_halves_the_pace() {
    let highest = async |low_days: &[u32]| {
        let ctx = session().await;
        let rung = |step: u32| {
            let features = usual_with(7, 0.30 + 0.01 * f64::from(step));
            (format!("v{step:02}"), format!("Artist {step}"), features)
        };
        let tracks: Vec<_> = (0..=40).map(rung).collect();
        add_tracks(&ctx, &tracks).await;
        let mut plays = vec![];
        for day in 0..25 {
            for nth in 0..10 {
                let usual = 0.30 + 0.30 * f64::from(nth % 2) + 0.02 * f64::from(day % 2);
                let valence = if low_days.contains(&day) { 0.30 } else { usual };
                plays.push(play(
                    "anna",
                    "v10",
                    day,
                    "completed",
                    usual_with(7, valence),
                ));
            }
        }
        add_plays(&ctx, &plays).await;
        let coach = run(&ctx, "select * from recommend('coach')").await;
        numbers(&coach, "valence_delta")
            .into_iter()
            .fold(f64::MIN, f64::max)
    };
    let (usual, low) = (highest(&[]).await, highest(&[20, 22, 24]).await);
    assert!(usual > 0.09 && usual <= 0.10, "{usual}");
    assert!(low > 0.04 && low <= 0.05, "{low}");
    assert!(highest(&[20, 24]).await > 0.09);
}
