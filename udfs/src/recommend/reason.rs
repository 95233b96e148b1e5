//! One kind, plain sentence for each recommendation, with its figures and without a judgement of the listener.

use super::{
    caps::ValenceStep,
    profile::{ENERGY, FEATURES, LOUDNESS, N_FEATURES, Profile, TEMPO, VALENCE, similarity},
    ranking::Pick,
};

/// How many features the mirror's reason names: those that gave most to the score.
const NAMED: usize = 3;
/// A valence difference below this reads as none, as two decimals are shown.
const SAME_VALENCE: f64 = 0.005;

/// Why the mirror shows a track: what is close to the listening called `label`.
pub(super) fn mirror(profile: &Profile, track: &[f64; N_FEATURES], label: &str) -> String {
    let contribution = |at: usize| {
        FEATURES[at].weight * similarity(track[at], profile.typical[at], profile.spread[at])
    };
    let mut order: Vec<usize> = (0..N_FEATURES).collect();
    order.sort_by(|left, right| contribution(*right).total_cmp(&contribution(*left)));
    let named: Vec<String> = order
        .into_iter()
        .take(NAMED)
        .map(|at| beside(at, track, profile))
        .collect();
    format!("Close to your {label} listening: {}", named.join(", "))
}

/// Why the coach offers a track: the step, and what stays as it was.
pub(super) fn coach(
    profile: &Profile,
    track: &[f64; N_FEATURES],
    pick: &Pick,
    step: ValenceStep,
) -> String {
    let valence = track[VALENCE];
    let delta = pick.deltas.valence;
    let rest = format!(
        "{}, {}",
        beside(ENERGY, track, profile),
        beside(TEMPO, track, profile)
    );
    if !step.is_a_step() || delta.abs() < SAME_VALENCE {
        return format!(
            "Stays where you are: {}, {rest}",
            beside(VALENCE, track, profile)
        );
    }
    if delta > 0.0 {
        return format!(
            "A gentle step: valence {valence:.2}, {delta:.2} above where you are, {rest}"
        );
    }
    format!(
        "Close to where you are: valence {valence:.2}, {:.2} below, {rest}",
        -delta
    )
}

/// `energy 0.62 (yours 0.60)`
fn beside(at: usize, track: &[f64; N_FEATURES], profile: &Profile) -> String {
    let (value, typical) = (track[at], profile.typical[at]);
    let name = FEATURES[at].name;
    match at {
        TEMPO => format!("{name} {value:.0} BPM (yours {typical:.0})"),
        LOUDNESS => format!("{name} {value:.1} dB (yours {typical:.1})"),
        _ => format!("{name} {value:.2} (yours {typical:.2})"),
    }
}
