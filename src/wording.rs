//! How figures and faults are put into words, the same way everywhere.

use std::io;

/// A count with its thousands apart: `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2,000 rows`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {what}{ending}", grouped(number))
}

/// What the operating system said, without its number for it.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0, 1, 2000].map(|number| counted(number, "row")),
            ["0 rows", "1 row", "2,000 rows"]
        );
    }

    #[test]
    fn the_number_of_an_error_is_left_out() {
        let missing = std::fs::File::open("no such file").unwrap_err();
        assert_eq!(plain(&missing), "No such file or directory");
        assert_eq!(plain(&io::Error::other("full")), "full");
    }
}
