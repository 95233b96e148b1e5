//! The coach: every cap for every row, and nothing rather than a broken one.

use arrow::{array::Array, util::pretty::pretty_format_batches};

use crate::session::{
    POLICY, USUAL, add_plays, add_tracks, error, integer, ladder, numbers, play, random_session,
    run, rungs, session, texts,
};

/// Every coach row that breaks a promise, computed by SQL of its own from the tables.
const BROKEN: &str = "
with coached as (select * from recommend_all('coach', 50)),
present as (select user_id, typical as valence from listening_profile() where feature = 'valence'),
targets as (
    select user_id, percentile_cont(0.75) within group (order by valence) as target
    from silver.plays group by user_id
)
select coached.*, present.valence, targets.target, track_features.is_analysed
from coached
inner join present on coached.user_id = present.user_id
inner join targets on coached.user_id = targets.user_id
left join silver.track_features on coached.track_id = track_features.track_id
where not coalesce(
    track_features.is_analysed
    and abs(coached.valence_delta - (track_features.valence - present.valence)) < 1e-9
    and coached.valence_delta between -0.02 and 0.10
    and (present.valence < targets.target or abs(coached.valence_delta) <= 0.03)
    and abs(coached.energy_delta) <= 0.15
    and abs(coached.tempo_delta_pct) <= 12
    and coached.match_score between 0 and 1
    and coached.improvement_score between 0 and 1
    and abs(coached.score - (0.6 * coached.match_score + 0.4 * coached.improvement_score)) < 1e-12,
    false
)";

/// Every coach row that the listener skipped lately.
const SKIPPED: &str = "
select coached.* from recommend_all('coach', 50) as coached
inner join silver.plays on coached.user_id = plays.user_id and coached.track_id = plays.track_id
inner join (select user_id, max(played_at) as last_at from silver.plays group by user_id) as latest
    on latest.user_id = plays.user_id
where plays.is_skipped and plays.played_at >= latest.last_at - interval '30 days'";

#[tokio::test]
async fn every_cap_holds_for_every_row_of_many_users() {
    let mut rows = 0;
    for seed in 1..=12 {
        let ctx = random_session(seed, 25, 300).await;
        for wrong in [BROKEN, SKIPPED] {
            let wrong = run(&ctx, wrong).await;
            assert_eq!(
                wrong.num_rows(),
                0,
                "seed {seed}:\n{}",
                pretty_format_batches(&[wrong]).unwrap()
            );
        }
        rows += integer(
            &run(&ctx, "select count(*) from recommend_all('coach', 50)").await,
            0,
            0,
        );
    }
    assert!(rows > 1000, "the caps were tried on {rows} rows only");
}

#[tokio::test]
async fn coach_leads_one_step_and_mirror_stays() {
    let ctx = ladder().await;
    let coach = run(&ctx, "select * from recommend('coach', 3)").await;
    assert_eq!(texts(&coach, "track_id"), ["v20", "v19", "v18"]);
    assert!(numbers(&coach, "improvement_score").is_sorted_by(|left, right| left >= right));
    assert!(
        texts(&coach, "reason")[0]
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
    assert!((highest(&[("skip", "far0"), ("play", "v12")]).await - 0.10).abs() < 1e-6);
    // A skipped track itself is not offered again; the others of the ladder are.
    assert!((highest(&[("less", "v20"), ("play", "v12")]).await - 0.09).abs() < 1e-6);
}
