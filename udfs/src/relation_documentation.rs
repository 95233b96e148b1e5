//! The documentation of a function in `FROM`: what `#[user_doc]` is to the others. `docs/functions.md` is written from it.

/// What a user needs to know of a function in `FROM`.
#[derive(Debug, Clone, Copy)]
pub struct RelationDocumentation {
    /// The function's name.
    pub function: &'static str,
    /// How it is called, optional arguments in brackets.
    pub syntax: &'static str,
    /// What it says, in its first sentence; then how, and what to beware of.
    pub description: &'static str,
    /// Each argument in its positional order: its name, then its meaning with unit, range and default.
    pub arguments: &'static [(&'static str, &'static str)],
    /// Each column: its name, then its meaning with unit and range.
    pub columns: &'static [(&'static str, &'static str)],
    /// What becomes of nulls and NaN.
    pub nulls: &'static str,
    /// A statement that runs in a demo lake.
    pub example: &'static str,
}
