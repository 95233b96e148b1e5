//! Which version is the champion: the first, until one has shown to be better.
//!
//! A new version becomes champion only if the lower end of the 95 % interval of its figure is above the champion's
//! figure, both of the same kind, for the same label and classes, measured on the same kind of split. All figures compared here are better when higher.

use std::fmt;

use super::Metric;

/// The figures that versions are compared by; a model has one of them.
const PRIMARY: [&str; 4] = ["auc", "ndcg_at_20", "r2", "silhouette"];
/// Where they are taken from: what the fit has not seen goes before what it has.
const SPLITS: [&str; 4] = ["test", "out_of_fold", "out_of_bag", "train"];

/// The figure of a version that decides.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) split: String,
    pub(super) metric: String,
    pub(super) value: f64,
    pub(super) ci_low: Option<f64>,
}

/// What versions are compared by.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    /// The label, how rows were held out, and the classes: figures of different ones cannot be compared.
    pub(super) task: [String; 3],
    pub(super) estimate: Option<Estimate>,
    pub(super) is_trained: bool,
}

impl Estimate {
    /// The deciding one of a version's figures.
    pub(super) fn of(metrics: &(impl Iterator<Item = Self> + Clone)) -> Option<Self> {
        // How well training rows are met says something of clusters alone: labels can be learned by heart.
        let is_fair = |split: &str, metric: &str| split != "train" || metric == "silhouette";
        let mut ranks = SPLITS
            .iter()
            .flat_map(|split| PRIMARY.iter().map(move |metric| (*split, *metric)))
            .filter(|(split, metric)| is_fair(split, metric));
        ranks.find_map(|(split, metric)| {
            metrics
                .clone()
                .find(|found| found.split == split && found.metric == metric)
        })
    }
}

impl From<&Metric> for Estimate {
    fn from(metric: &Metric) -> Self {
        Self {
            split: metric.split.to_owned(),
            metric: metric.metric.to_owned(),
            value: metric.value,
            ci_low: metric.ci_low,
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:.4} ({}", self.metric, self.value, self.split)?;
        match self.ci_low {
            Some(low) => write!(f, ", at least {low:.4})"),
            None => f.write_str(", without an interval)"),
        }
    }
}

/// Why `new` does not become champion instead of the `champion` with that number; none if it does.
pub(super) fn refusal(champion: Option<(i64, &Contender)>, new: &Contender) -> Option<String> {
    let (number, champion) = champion?;
    if !champion.is_trained {
        return None;
    }
    if !new.is_trained {
        return Some(format!(
            "not champion, as it is not trained: version {number} stays"
        ));
    }
    let differing = ["label", "split", "classes"]
        .iter()
        .zip(&champion.task)
        .zip(&new.task)
        .find(|((_, old), new)| old != new);
    if let Some(((what, _), _)) = differing {
        return Some(format!(
            "not champion, as version {number} has another {what}: the two cannot be compared"
        ));
    }
    let (Some(old), Some(new)) = (&champion.estimate, &new.estimate) else {
        return Some(format!(
            "not champion, as it or version {number} has no figure to be compared by"
        ));
    };
    if (&old.metric, &old.split) != (&new.metric, &new.split) {
        return Some(format!(
            "not champion, as its {new} cannot be compared with the {old} of version {number}"
        ));
    }
    let beats = new.ci_low.is_some_and(|low| low > old.value);
    (!beats).then(|| {
        format!(
            "not champion, as its {new} does not beat the {:.4} of version {number}",
            old.value
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(split: &str, metric: &str, value: f64, ci_low: Option<f64>) -> Estimate {
        Estimate {
            split: split.into(),
            metric: metric.into(),
            value,
            ci_low,
        }
    }

    fn contender(estimate: Estimate) -> Contender {
        Contender {
            task: ["mood".into(), "artist".into(), "[]".into()],
            estimate: Some(estimate),
            is_trained: true,
        }
    }

    #[test]
    fn only_a_lower_bound_above_the_champion_wins() {
        let old = contender(estimate("test", "auc", 0.80, Some(0.78)));
        let refused = |new: Estimate| refusal(Some((3, &old)), &contender(new));
        assert_eq!(refused(estimate("test", "auc", 0.83, Some(0.801))), None);
        assert_eq!(
            refused(estimate("test", "auc", 0.83, Some(0.79))).unwrap(),
            "not champion, as its auc 0.8300 (test, at least 0.7900) does not beat the 0.8000 of version 3"
        );
        assert!(refused(estimate("test", "auc", 0.9, None)).is_some());
        assert!(refused(estimate("out_of_fold", "auc", 0.9, Some(0.89))).is_some());
        assert!(refused(estimate("test", "r2", 0.9, Some(0.89))).is_some());
    }

    #[test]
    fn what_answers_another_question_is_not_compared() {
        let old = contender(estimate("test", "auc", 0.80, Some(0.78)));
        for (at, what) in ["label", "split", "classes"].iter().enumerate() {
            let mut new = contender(estimate("test", "auc", 0.9, Some(0.89)));
            new.task[at] = "other".into();
            let refused = refusal(Some((3, &old)), &new).unwrap();
            assert!(refused.contains(&format!("another {what}")), "{refused}");
        }
    }

    #[test]
    fn the_first_version_wins_and_any_trained_one_beats_one_that_waits() {
        let trained = contender(estimate("test", "auc", 0.8, None));
        let waiting = Contender {
            estimate: None,
            is_trained: false,
            ..trained.clone()
        };
        assert_eq!(refusal(None, &waiting), None);
        assert_eq!(refusal(Some((1, &waiting)), &trained), None);
        assert!(refusal(Some((1, &trained)), &waiting).is_some());
    }

    #[test]
    fn what_the_fit_has_not_seen_decides() {
        let metrics = [
            estimate("train", "auc", 0.99, None),
            estimate("test", "accuracy", 0.8, None),
            estimate("test", "auc", 0.7, Some(0.6)),
        ];
        let found = Estimate::of(&metrics.iter().cloned()).unwrap();
        assert_eq!((found.split.as_str(), found.value), ("test", 0.7));
        assert_eq!(Estimate::of(&metrics[..1].iter().cloned()), None);
        let clusters = [estimate("train", "silhouette", 0.4, None)];
        assert!(Estimate::of(&clusters.iter().cloned()).is_some());
    }
}
