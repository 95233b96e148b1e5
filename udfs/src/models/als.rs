//! A factorised listening history: what listeners who are folded in would play. Users are not kept: their factors are what
//! their plays give again, so a model holds nothing about anybody.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::kernels::als::{FoldIn, Matrix};

/// Items as factors, and how plays become confidence.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Als {
    /// The items' names, sorted, each once; shape `[n_items]`.
    pub items: Vec<String>,
    /// The items' factors; shape `[n_items][factors]`.
    pub factors: Matrix,
    /// Weight of the penalty on squared factors, above 0.
    pub l2: f64,
    /// How fast confidence grows with plays, above 0.
    pub alpha: f64,
    /// How confidence grows with plays.
    pub confidence: Confidence,
    /// The part of every listener's equation that is the same, once it was needed.
    #[serde(skip)]
    gram: Gram,
}

/// How much more is known of a pair that was played than of one that was not.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// `alpha * plays` (Hu, Koren and Volinsky 2008, section 4).
    Linear,
    /// `alpha * log(1 + plays)`, for histories with favourites played a hundred times (their equation 6, with epsilon 1).
    Log,
}

impl Confidence {
    /// What plays, 0 or more, add to a confidence of 1.
    #[must_use]
    pub fn weight(self, alpha: f64, plays: f64) -> f64 {
        match self {
            Self::Linear => alpha * plays,
            Self::Log => alpha * plays.ln_1p(),
        }
    }

    /// The option's value.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Log => "log",
        }
    }
}

impl Als {
    /// A model of these items, sorted by name.
    #[must_use]
    pub fn new(
        items: Vec<String>,
        factors: Matrix,
        l2: f64,
        alpha: f64,
        confidence: Confidence,
    ) -> Self {
        Self {
            items,
            factors,
            l2,
            alpha,
            confidence,
            gram: Gram::default(),
        }
    }

    /// The number of an item, `None` for one that the model does not know.
    #[must_use]
    pub fn item(&self, name: &str) -> Option<u32> {
        let at = self.items.binary_search_by(|item| item.as_str().cmp(name));
        u32::try_from(at.ok()?).ok()
    }

    /// Items and plays, above 0 and finite, as items and weights.
    #[must_use]
    pub fn weighted(&self, plays: impl IntoIterator<Item = (u32, f64)>) -> Vec<(u32, f64)> {
        let weight = |plays| self.confidence.weight(self.alpha, plays);
        let plays = plays.into_iter();
        plays.map(|(item, plays)| (item, weight(plays))).collect()
    }

    /// The equation of a listener of [`weighted`](Self::weighted) items; `None` where rounding leaves no solution.
    #[must_use]
    pub fn fold_in<'a>(&'a self, own: &'a [(u32, f64)]) -> Option<FoldIn<'a>> {
        let gram = self
            .gram
            .0
            .get_or_init(|| FoldIn::gram(&self.factors, self.l2));
        FoldIn::new(&self.factors, gram, own)
    }

    pub(super) fn problem(&self) -> Option<String> {
        if self.items.is_empty() || self.factors.factors() == 0 {
            return Some("it has no items or no factors".to_owned());
        }
        if self.factors.rows() != self.items.len() {
            let (rows, items) = (self.factors.rows(), self.items.len());
            return Some(format!("{rows} rows of factors do not fit {items} items"));
        }
        if !self.items.is_sorted_by(|a, b| a < b) {
            return Some("its items are not sorted".to_owned());
        }
        let is_positive = |value: f64| value.is_finite() && value > 0.0;
        if !is_positive(self.l2) || !is_positive(self.alpha) {
            return Some("l2 and alpha must be positive and finite".to_owned());
        }
        let is_finite = |row: usize| self.factors.row(row).iter().all(|value| value.is_finite());
        (!(0..self.items.len()).all(is_finite)).then(|| "a factor is not finite".to_owned())
    }
}

/// What is computed from the items, and so no part of what a model is.
#[derive(Clone, Debug, Default)]
struct Gram(OnceLock<Vec<f64>>);

impl PartialEq for Gram {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}
