//! Which version is the champion: the first, until one has shown to be better.
//!
//! A new version becomes champion only if the lower end of the 95 % interval of its figure is above the champion's
//! figure, both of the same kind and measured on the same kind of split. All figures compared here are better when higher.

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

/// What a new version has to beat.
#[derive(Clone, Debug)]
pub(super) struct Champion {
    pub(super) version: i64,
    pub(super) label: String,
    pub(super) estimate: Option<Estimate>,
    pub(super) is_trained: bool,
}

impl Estimate {
    /// The deciding one of a version's figures.
    pub(super) fn of(metrics: &(impl Iterator<Item = Self> + Clone)) -> Option<Self> {
        let mut ranks = SPLITS
            .iter()
            .flat_map(|split| PRIMARY.iter().map(move |metric| (*split, *metric)));
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

/// Why a version that was trained on `label` and has `estimate` does not become champion; none if it does.
pub(super) fn refusal(
    champion: Option<&Champion>,
    label: Option<&str>,
    is_trained: bool,
    estimate: Option<&Estimate>,
) -> Option<String> {
    let champion = champion?;
    let number = champion.version;
    if !champion.is_trained {
        return None;
    }
    if !is_trained {
        return Some(format!(
            "not champion, as it is not trained: version {number} stays"
        ));
    }
    if champion.label != label.unwrap_or_default() {
        return Some(format!(
            "not champion, as version {number} predicts another label: the two cannot be compared"
        ));
    }
    let (Some(old), Some(new)) = (&champion.estimate, estimate) else {
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

    fn champion(estimate: Estimate) -> Champion {
        Champion {
            version: 3,
            label: "mood".into(),
            estimate: Some(estimate),
            is_trained: true,
        }
    }

    #[test]
    fn only_a_lower_bound_above_the_champion_wins() {
        let old = champion(estimate("test", "auc", 0.80, Some(0.78)));
        let refused = |new: Estimate| refusal(Some(&old), Some("mood"), true, Some(&new));
        assert_eq!(refused(estimate("test", "auc", 0.83, Some(0.801))), None);
        assert_eq!(
            refused(estimate("test", "auc", 0.83, Some(0.79))).unwrap(),
            "not champion, as its auc 0.8300 (test, at least 0.7900) does not beat the 0.8000 of version 3"
        );
        assert!(refused(estimate("test", "auc", 0.9, None)).is_some());
        assert!(refused(estimate("train", "auc", 0.9, Some(0.89))).is_some());
        assert!(refused(estimate("test", "r2", 0.9, Some(0.89))).is_some());
        let new = estimate("test", "auc", 0.9, Some(0.89));
        assert!(refusal(Some(&old), Some("genre"), true, Some(&new)).is_some());
    }

    #[test]
    fn the_first_version_wins_and_any_trained_one_beats_one_that_waits() {
        assert_eq!(refusal(None, None, false, None), None);
        let waiting = Champion {
            estimate: None,
            is_trained: false,
            ..champion(estimate("test", "auc", 0.0, None))
        };
        assert_eq!(refusal(Some(&waiting), Some("mood"), true, None), None);
        let trained = champion(estimate("test", "auc", 0.8, None));
        assert!(refusal(Some(&trained), Some("mood"), false, None).is_some());
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
    }
}
