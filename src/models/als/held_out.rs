//! How well a model that knows only the plays before a cut in time finds what was played after it.
//!
//! The cut is one for all, so that no model knows anybody's future (Ji et al. 2023, "A critical study on data leakage in
//! recommender system offline evaluation", doi:10.1145/3569930). Of each user the items known are those before the cut; of
//! a user who came after it, such as a session, the first four fifths (Liang et al. 2018, "Variational autoencoders for
//! collaborative filtering", doi:10.1145/3178876.3186150). All users are folded in. Asked for are the items that follow and
//! are not known, among all items but the known ones; those that the model cannot know count as missed.
//!
//! - `recall_at_20`: share of the items asked for among the first 20, of 20 if more are asked for.
//! - `ndcg_at_20`: the same, each found item worth `1 / log2(1 + rank)` (Järvelin and Kekäläinen 2002,
//!   doi:10.1145/582415.582418).
//! - `popularity_recall_at_20`, `popularity_ndcg_at_20`: of the items with the most users before the cut.
//! - `coverage_at_20`: share of the items that anybody is shown.

use std::collections::BTreeSet;

use moodlake_udfs::{Als, kernels::als};
use rayon::prelude::*;

use super::{Play, Plays, fit, together};
use crate::{
    error::Result,
    models::{Metric, bootstrap, options::AlsOptions, split::hash, stop},
};

const TOP: usize = 20;
/// Users with fewer known items say little about the model.
const LEAST_KNOWN: usize = 5;
/// Users beyond this are a sample: the interval is narrow enough.
const MOST_USERS: usize = 5000;
/// Share of the rows before the cut.
const BEFORE: f64 = 0.8;
const FIGURES: usize = 4;
const NAMES: [&str; FIGURES] = [
    "recall_at_20",
    "ndcg_at_20",
    "popularity_recall_at_20",
    "popularity_ndcg_at_20",
];
/// Where [`NAMES`] has the model's own ranking and that of popularity.
const NDCG: usize = 1;
const POPULARITY_NDCG: usize = 3;

/// The metrics of the part after the cut; none, with a warning, if it asks nothing.
pub(super) fn metrics(
    plays: &Plays,
    options: &AlsOptions,
    warnings: &mut Vec<String>,
) -> Result<Vec<Metric>> {
    let cut = cut(&plays.rows);
    let before: Vec<Play> = plays
        .rows
        .iter()
        .copied()
        .filter(|play| play.time < cut)
        .collect();
    let questions = questions(plays, cut, options.seed);
    if before.is_empty() || questions.is_empty() {
        warnings.push(format!(
            "nothing is measured: no user has {LEAST_KNOWN} known items and an unknown one after the last fifth's begin in time"
        ));
        return Ok(Vec::new());
    }
    let model = fit(&before, plays, options)?;
    let users = popularity(&before, plays.items.len());
    let judged: Vec<Judged> = questions
        .par_iter()
        .map(|question| question.judge(&model, &users))
        .collect();
    stop::check()?;
    let metrics = summarised(&judged, plays.items.len(), options.seed);
    warnings.extend(doubt(&metrics));
    Ok(metrics)
}

/// The time of the first row of the last fifth; rows of one instant are all after it.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the number of rows"
)]
fn cut(rows: &[Play]) -> i64 {
    let mut times: Vec<i64> = rows.iter().map(|play| play.time).collect();
    times.sort_unstable();
    let at = (times.len() as f64 * BEFORE) as usize;
    times.get(at).copied().unwrap_or(i64::MAX)
}

/// The number of users of each item.
fn popularity(rows: &[Play], items: usize) -> Vec<f64> {
    let mut users = vec![0.0; items];
    for pair in rows.chunk_by(|a, b| (a.user, a.item) == (b.user, b.item)) {
        users[pair[0].item as usize] += 1.0;
    }
    users
}

/// What is known of a user, and what is asked for.
#[derive(Debug, PartialEq)]
struct Question {
    /// Items and plays, by rising item.
    known: Vec<(u32, f64)>,
    /// Items, rising.
    asked: Vec<u32>,
}

/// A question for each user who can be asked one, or for a sample of them.
fn questions(plays: &Plays, cut: i64, seed: u64) -> Vec<Question> {
    let by_user = plays.rows.chunk_by(|a, b| a.user == b.user);
    let mut asked: Vec<(u64, Question)> = by_user
        .filter_map(|rows| {
            Some((
                hash(seed, &rows[0].user.to_le_bytes()),
                question(rows, cut, seed)?,
            ))
        })
        .collect();
    if asked.len() > MOST_USERS {
        asked.sort_by_key(|(hash, _)| *hash);
        asked.truncate(MOST_USERS);
    }
    asked.into_iter().map(|(_, question)| question).collect()
}

fn question(rows: &[Play], cut: i64, seed: u64) -> Option<Question> {
    let items: Vec<&[Play]> = rows.chunk_by(|a, b| a.item == b.item).collect();
    let is_new = rows.iter().all(|play| play.time >= cut);
    let mut question = Question {
        known: Vec::new(),
        asked: Vec::new(),
    };
    if is_new {
        // Items of one instant, such as those of a session that is known by its start, in an order that means nothing.
        let mut order: Vec<usize> = (0..items.len()).collect();
        let key = |at: usize| {
            let first = items[at][0];
            (first.time, hash(seed, &first.item.to_le_bytes()))
        };
        order.sort_by_key(|&at| key(at));
        let (known, asked) = order.split_at(items.len() * 4 / 5);
        question.known = known
            .iter()
            .map(|&at| (items[at][0].item, together(items[at])))
            .collect();
        question.asked = asked.iter().map(|&at| items[at][0].item).collect();
        question.known.sort_unstable_by_key(|(item, _)| *item);
        question.asked.sort_unstable();
    } else {
        for item in items {
            let before = item.partition_point(|play| play.time < cut);
            match before {
                0 => question.asked.push(item[0].item),
                _ => question
                    .known
                    .push((item[0].item, together(&item[..before]))),
            }
        }
    }
    let can_be_asked = question.known.len() >= LEAST_KNOWN && !question.asked.is_empty();
    can_be_asked.then_some(question)
}

/// A question's answers.
struct Judged {
    figures: [f64; FIGURES],
    shown: Vec<u32>,
}

impl Question {
    fn judge(&self, model: &Als, users: &[f64]) -> Judged {
        let left_out: Vec<u32> = self.known.iter().map(|(item, _)| *item).collect();
        // Items without a user before the cut have no factors.
        let has_factors = |item: &u32| users[*item as usize] > 0.0;
        let known = self.known.iter().copied();
        let own = model.weighted(known.filter(|(item, _)| has_factors(item)));
        let factors = model
            .fold_in(&own)
            .map(|solved| als::FoldIn::factors(&solved));
        let factors = factors.unwrap_or_else(|| vec![0.0; model.factors.factors()]);
        let mut scores = als::scores(&model.factors, &factors);
        for (score, users) in scores.iter_mut().zip(users) {
            if *users == 0.0 {
                *score = f64::NEG_INFINITY;
            }
        }
        let shown = als::top(&scores, &left_out, TOP);
        let popular = als::top(users, &left_out, TOP);
        let (recall, ndcg) = self.found(&shown);
        let (popular_recall, popular_ndcg) = self.found(&popular);
        Judged {
            figures: [recall, ndcg, popular_recall, popular_ndcg],
            shown,
        }
    }

    /// Recall and NDCG of a ranking.
    #[expect(clippy::cast_precision_loss, reason = "at most TOP")]
    fn found(&self, ranking: &[u32]) -> (f64, f64) {
        let worth = |rank: usize| 1.0 / (2.0 + rank as f64).log2();
        let hits = ranking.iter().enumerate();
        let hits = hits.filter(|(_, item)| self.asked.binary_search(item).is_ok());
        let ranks: Vec<usize> = hits.map(|(rank, _)| rank).collect();
        let possible = self.asked.len().min(TOP);
        let gain: f64 = ranks.iter().copied().map(worth).sum();
        let best: f64 = (0..possible).map(worth).sum();
        (ranks.len() as f64 / possible as f64, gain / best)
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of users and items")]
fn summarised(judged: &[Judged], items: usize, seed: u64) -> Vec<Metric> {
    let users: Vec<u32> = (0_u32..).take(judged.len()).collect();
    let means = |weights: &[f64]| {
        let total: f64 = weights.iter().sum();
        std::array::from_fn(|figure| {
            let weighted = judged.iter().zip(weights);
            weighted
                .map(|(user, weight)| user.figures[figure] * weight)
                .sum::<f64>()
                / total
        })
    };
    let values: [f64; FIGURES] = means(&vec![1.0; judged.len()]);
    let intervals: [_; FIGURES] = bootstrap::intervals(&users, seed, means);
    let n = judged.len() as u64;
    let metric = |metric, value, interval: Option<(f64, f64)>| Metric {
        split: "test",
        metric,
        value,
        ci_low: interval.map(|(low, _)| low),
        ci_high: interval.map(|(_, high)| high),
        n,
    };
    let shown: BTreeSet<u32> = judged
        .iter()
        .flat_map(|user| user.shown.iter().copied())
        .collect();
    let coverage = shown.len() as f64 / items as f64;
    (0..FIGURES)
        .map(|at| metric(NAMES[at], values[at], intervals[at]))
        .chain([metric("coverage_at_20", coverage, None)])
        .collect()
}

/// What should be known of a model that is no better than a list for everybody.
fn doubt(metrics: &[Metric]) -> Option<String> {
    let (own, popular) = (metrics.get(NDCG)?, metrics.get(POPULARITY_NDCG)?);
    let is_better = own.ci_low.unwrap_or(own.value) > popular.ci_high.unwrap_or(popular.value);
    (!is_better).then(|| {
        format!(
            "it is not clearly better than showing everybody the same popular items: ndcg_at_20 is {:.4} against {:.4}",
            own.value, popular.value
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(user: u32, item: u32, time: i64) -> Play {
        Play {
            user,
            item,
            time,
            plays: 2.0,
        }
    }

    #[test]
    fn a_known_user_is_asked_for_what_is_new_after_the_cut() {
        let mut rows: Vec<Play> = (0..5).map(|item| play(0, item, 1)).collect();
        rows.insert(1, play(0, 0, 9));
        rows.push(play(0, 7, 8));
        let question = question(&rows, 8, 42).unwrap();
        let known = [0, 1, 2, 3, 4].map(|item| (item, 2.0));
        assert_eq!(question.known, known, "plays after the cut count nowhere");
        assert_eq!(question.asked, [7]);
    }

    #[test]
    fn a_new_user_is_known_by_the_first_four_fifths() {
        let rows: Vec<Play> = (0_u32..10)
            .map(|item| play(0, item, 100 - i64::from(item)))
            .collect();
        let question = question(&rows, 50, 42).unwrap();
        let known: Vec<u32> = question.known.iter().map(|(item, _)| *item).collect();
        assert_eq!(known, [2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(question.asked, [0, 1]);
    }

    #[test]
    fn too_little_known_asks_nothing() {
        let rows: Vec<Play> = (0..4)
            .map(|item| play(0, item, 1))
            .chain([play(0, 7, 8)])
            .collect();
        assert_eq!(question(&rows, 8, 42), None);
        assert_eq!(question(&rows[..4], 8, 42), None);
    }

    #[test]
    fn found_items_are_worth_less_further_down() {
        let question = Question {
            known: Vec::new(),
            asked: vec![3, 5, 9],
        };
        let (recall, ndcg) = question.found(&[5, 1, 3, 2]);
        assert!((recall - 2.0 / 3.0).abs() < 1e-12);
        // (1 + 1 / log2(4)) / (1 + 1 / log2(3) + 1 / log2(4)); scikit-learn 1.9.1's ndcg_score gives the same.
        assert!((ndcg - 0.703_918_089_034_134_7).abs() < 1e-12, "{ndcg}");
    }

    #[test]
    fn rows_of_one_instant_are_after_the_cut() {
        let rows: Vec<Play> = [1, 2, 3, 9, 9].map(|time| play(0, 0, time)).to_vec();
        assert_eq!(cut(&rows), 9);
        let rows: Vec<Play> = (0..10).map(|time| play(0, 0, time)).collect();
        assert_eq!(cut(&rows), 8);
    }
}
