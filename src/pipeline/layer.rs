//! The layers of the lake and which of them may read which.

/// A layer of the lake, in the order in which data flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    /// Made by Moodlake about itself; every script may read it.
    System,
    /// As it came.
    Bronze,
    /// Typed and deduplicated.
    Silver,
    /// Trained models.
    Ml,
    /// One table for each question.
    Gold,
}

impl Layer {
    /// All layers.
    pub(crate) const ALL: [Self; 5] = [
        Self::System,
        Self::Bronze,
        Self::Silver,
        Self::Ml,
        Self::Gold,
    ];

    /// The folder that holds the layer's scripts.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Bronze => "bronze",
            Self::Silver => "silver",
            Self::Ml => "models",
            Self::Gold => "gold",
        }
    }

    /// The schema that holds the layer's tables.
    pub(crate) fn schema(self) -> &'static str {
        match self {
            Self::Ml => "ml",
            other => other.folder(),
        }
    }

    /// The layer of a schema; `None` for a schema that is no layer.
    pub(crate) fn of_schema(schema: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.schema() == schema)
    }

    /// Whether a script of this layer may read a table of `other`.
    pub(crate) fn may_read(self, other: Self) -> bool {
        match self {
            Self::System | Self::Bronze => other == self || other == Self::System,
            Self::Silver => other <= Self::Silver,
            Self::Ml | Self::Gold => other <= self && other != Self::Bronze,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_read_down_to_silver() {
        let allowed = |reader: Layer| -> Vec<_> {
            Layer::ALL
                .into_iter()
                .filter(|read| reader.may_read(*read))
                .collect()
        };
        assert_eq!(allowed(Layer::Bronze), [Layer::System, Layer::Bronze]);
        assert_eq!(
            allowed(Layer::Silver),
            [Layer::System, Layer::Bronze, Layer::Silver]
        );
        assert_eq!(
            allowed(Layer::Ml),
            [Layer::System, Layer::Silver, Layer::Ml]
        );
        assert_eq!(
            allowed(Layer::Gold),
            [Layer::System, Layer::Silver, Layer::Ml, Layer::Gold]
        );
    }
}
