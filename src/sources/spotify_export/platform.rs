//! The family of a device: all that is kept of the export's `platform`, which may carry a model, a serial number or
//! the name that somebody gave a speaker.

/// What a family is told by, in lower case, at the start of a word; the first that fits counts, the more special ones
/// stand first.
const MARKS: [(&str, &str); 18] = [
    ("web_player", "web_player"),
    ("webplayer", "web_player"),
    ("cast", "cast"),
    ("chromecast", "cast"),
    ("playstation", "playstation"),
    ("xbox", "xbox"),
    ("sonos", "sonos"),
    ("webos", "webos"),
    ("tizen", "tizen"),
    ("android", "android"),
    ("ios", "ios"),
    ("iphone", "ios"),
    ("ipad", "ios"),
    ("windows", "windows"),
    ("macos", "macos"),
    ("os x", "macos"),
    ("osx", "macos"),
    ("linux", "linux"),
];

/// The family that `platform` names, or `other`.
pub(super) fn family(platform: &str) -> &'static str {
    let platform = platform.to_lowercase();
    let begins_word = |at: usize| !platform[..at].ends_with(char::is_alphanumeric);
    let names = |mark: &str| platform.match_indices(mark).any(|(at, _)| begins_word(at));
    MARKS
        .iter()
        .find(|(mark, _)| names(mark))
        .map_or("other", |(_, family)| family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_device_only_the_family_is_kept() {
        for (platform, kept) in [
            ("android", "android"),
            ("Android OS 9 API 28 (vendor, model)", "android"),
            ("iOS 15.0 (iPhone13,2)", "ios"),
            ("Windows 10 (10.0.19041; x64)", "windows"),
            ("OS X 12.6.0 [arm 2]", "macos"),
            ("Linux [x86-64 0]", "linux"),
            (
                "web_player windows 10;chrome 87.0.4280.141;desktop",
                "web_player",
            ),
            ("WebPlayer (websocket RFC6455)", "web_player"),
            ("Partner google cast_tv;Chromecast;;", "cast"),
            ("Partner android_tv Sony;BRAVIA 4K", "android"),
            ("Linux; webOS tv", "webos"),
            ("Xbox Windows 10", "xbox"),
            ("Partner comcast x1;", "other"),
            ("Studios TV", "other"),
            ("Bob's TV", "other"),
            ("", "other"),
        ] {
            assert_eq!(family(platform), kept, "{platform}");
        }
    }
}
