//! How many tracks fit a listener and, where none does, why: `recommend_status`.

use super::{
    call::Mode,
    caps::{BackOff, Caps, UsedUp},
    listener::Listener,
    ranking::{Coaching, Ground, allowed, coach},
};

/// The name that the query of `recommend_status` calls the kernel by.
pub(super) const RECOMMENDATION_STATUS: &str = "recommendation_status";

/// The answer for one listener in one mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) fits: usize,
    pub(super) name: &'static str,
    pub(super) reason: &'static str,
}

fn told(fits: usize, name: &'static str, reason: &'static str) -> Status {
    Status { fits, name, reason }
}

/// For a listener none of whose plays has features, so that there is nothing to compare with.
pub(super) fn without_profile() -> Status {
    told(
        0,
        "no_features",
        "No play has known audio features and a time",
    )
}

/// The mirror's answer.
pub(super) fn of_mirror(ground: &Ground) -> Status {
    match ground.n_songs(&ground.mirrored()) {
        0 => told(
            0,
            "no_fit",
            "No track with known audio features is left to offer",
        ),
        fits => told(fits, "ok", "Tracks that fit the present listening"),
    }
}

/// The coach's answer.
pub(super) fn of_coach(
    ground: &Ground,
    listener: &Listener,
    caps: Option<&Caps>,
    pace: Option<f64>,
) -> Status {
    let Some(caps) = caps else {
        return told(
            0,
            "no_policy",
            "A cap in gold.coach_policy is missing or unusable, so no step is allowed",
        );
    };
    let Some(standing) = listener.standing(caps) else {
        return without_profile();
    };
    let coaching = Coaching {
        caps,
        pace,
        standing,
    };
    let step = coaching.step(ground.profile);
    let fits = ground.n_songs(&allowed(ground, &coaching).candidates);
    match step.used_up() {
        Some(UsedUp::Session) => {
            return told(
                fits,
                "session_cap",
                "The last session has moved as far as session_cap allows",
            );
        }
        Some(UsedUp::Day) => {
            return told(
                fits,
                "day_cap",
                "The last day has moved as far as day_cap allows",
            );
        }
        None => {}
    }
    if step.is_a_step() {
        return match fits {
            0 => told(0, "no_fit", "No track keeps every cap of gold.coach_policy"),
            _ if coach(ground, &coaching, 1).is_empty() => told(
                0,
                "no_start",
                "No track keeps every cap and is close enough to begin with",
            ),
            _ if standing.has_streak => told(
                fits,
                "ok",
                "Tracks that lead a step up, a smaller one: the last days were lower than usual",
            ),
            _ if standing.back_off == BackOff::Half => told(
                fits,
                "ok",
                "Tracks that lead half a step up: the last one was skipped",
            ),
            _ => told(fits, "ok", "Tracks that lead one step up"),
        };
    }
    let is_resting = standing.back_off == BackOff::Hold;
    match (is_resting, fits) {
        (true, 0) => told(
            0,
            "resting",
            "Resting after skips or a wish to stay, and no track keeps that close",
        ),
        (true, _) => told(
            fits,
            "resting",
            "Resting after skips or a wish to stay: tracks stay where the listener is",
        ),
        (false, 0) => told(
            0,
            "at_target",
            "At the target, and no track keeps that close",
        ),
        (false, _) => told(
            fits,
            "at_target",
            "At the target: tracks stay where the listener is",
        ),
    }
}

/// The modes that a call asks about.
pub(super) fn modes(asked: &str) -> &'static [Mode] {
    match asked {
        "mirror" => &[Mode::Mirror],
        "coach" => &[Mode::Coach],
        _ => &[Mode::Mirror, Mode::Coach],
    }
}
