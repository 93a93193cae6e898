//! What an interval says of a claim.

use serde::{Deserialize, Serialize};

/// Between which values a number lies if a claim is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// It is larger than this.
    pub above: Option<f64>,
    /// It is smaller than this.
    pub below: Option<f64>,
}

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All of the interval lies where the claim says.
    Confirmed,
    /// None of it does.
    NotConfirmed,
    /// Some of it does: the noise of cases and trainings is too large to tell, or nothing was measured.
    Undecided,
}

impl Limits {
    /// Whether a number that lies between `low` and `high` lies within the limits.
    pub fn judge(&self, low: f64, high: f64) -> Verdict {
        let above = self.above.unwrap_or(f64::NEG_INFINITY);
        let below = self.below.unwrap_or(f64::INFINITY);
        if low > above && high < below {
            Verdict::Confirmed
        } else if high <= above || low >= below {
            Verdict::NotConfirmed
        } else {
            Verdict::Undecided
        }
    }
}

impl Verdict {
    /// The verdict on a claim of several parts: confirmed if all are, not confirmed if one is not.
    pub fn of_all(parts: impl IntoIterator<Item = Self>) -> Self {
        let (mut n, mut all) = (0, Self::Confirmed);
        for part in parts {
            n += 1;
            all = match (all, part) {
                (Self::NotConfirmed, _) | (_, Self::NotConfirmed) => Self::NotConfirmed,
                (Self::Undecided, _) | (_, Self::Undecided) => Self::Undecided,
                (Self::Confirmed, Self::Confirmed) => Self::Confirmed,
            };
        }
        if n == 0 { Self::Undecided } else { all }
    }

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::NotConfirmed => "not confirmed",
            Self::Undecided => "undecided",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Verdict::{Confirmed, NotConfirmed, Undecided},
        *,
    };

    #[test]
    fn an_interval_is_judged_by_where_it_lies() {
        let (above, between) = (Limits { above: Some(0.0), below: None }, Limits { above: Some(-0.1), below: Some(0.1) });
        for (limits, low, high, expected) in [
            (above, 0.1, 0.2, Confirmed),
            (above, -0.1, 0.2, Undecided),
            (above, -0.2, -0.1, NotConfirmed),
            // A number without any noise.
            (above, 0.0, 0.0, NotConfirmed),
            (above, 1e-9, 1e-9, Confirmed),
            (between, -0.05, 0.05, Confirmed),
            (between, -0.05, 0.15, Undecided),
            // Wider than what is claimed, on both sides.
            (between, -0.5, 0.5, Undecided),
            (between, 0.1, 0.5, NotConfirmed),
            (between, -0.5, -0.1, NotConfirmed),
        ] {
            assert_eq!(limits.judge(low, high), expected, "{limits:?} {low} {high}");
        }
    }

    #[test]
    fn a_claim_stands_with_all_of_its_parts() {
        for (parts, expected) in [
            (&[Confirmed, Confirmed][..], Confirmed),
            (&[Confirmed, Undecided], Undecided),
            (&[Undecided, NotConfirmed, Confirmed], NotConfirmed),
            (&[], Undecided),
        ] {
            assert_eq!(Verdict::of_all(parts.iter().copied()), expected, "{parts:?}");
        }
    }
}
