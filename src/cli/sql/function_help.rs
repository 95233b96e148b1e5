//! The help of a function: what the page of this project's functions says, else what the session does.

/// It knows functions in FROM too, of which a session knows but the name.
const PAGE: &str = include_str!("../../../docs/functions.md");

/// What is known of a function: its part of the page, or what the session says.
pub(super) fn help(name: &str, syntax: &str, description: &str) -> String {
    let heading = format!("\n### {name}\n\n");
    if let Some((_, section)) = PAGE.split_once(&heading) {
        let end = ["\n### ", "\n## "]
            .iter()
            .filter_map(|next| section.find(next))
            .min();
        return section[..end.unwrap_or(section.len())]
            .trim_end()
            .to_string();
    }
    if syntax.is_empty() && description.is_empty() {
        return format!("{name}: there is no help for it");
    }
    format!("`{}`\n\n{}", syntax.trim(), description.trim())
}

/// The first sentence of a help, after how the function is called.
pub(super) fn summary(help: &str) -> String {
    let mut lines = help.lines().map(str::trim);
    let text = lines
        .find(|line| !line.is_empty() && !line.starts_with('`'))
        .unwrap_or_default();
    let end = [". ", ": "].iter().filter_map(|end| text.find(end)).min();
    text[..end.unwrap_or(text.len())]
        .trim_end_matches('.')
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_helps_with_functions_in_from_too() {
        let text = help("recommend", "", "");
        assert!(text.contains("coach") && !text.contains("### "), "{text}");
        let text = help("kmeans_assign", "", "");
        assert!(
            text.starts_with("`kmeans_assign(model, feature_1"),
            "{text}"
        );
        assert_eq!(
            summary(&text),
            "The cluster whose centroid is nearest to a row, counted from 0, by a k-means model"
        );
        let text = help(
            "abs",
            "abs(numeric)",
            "Returns the absolute value of a number.",
        );
        assert_eq!(
            text,
            "`abs(numeric)`\n\nReturns the absolute value of a number."
        );
    }
}
