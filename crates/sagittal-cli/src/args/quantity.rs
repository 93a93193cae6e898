//! Durations, sizes and counts as people type them: `1h30m`, `8G`, `4`.
//!
//! A number without its unit is refused: 60 may be meant as seconds or as minutes, and the difference is a night.

use std::time::Duration;

/// Units of time, longest first, in seconds.
const TIME_UNITS: [(&str, f64); 4] = [("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0)];

/// Units of memory, in bytes; a following `B` or `iB` changes nothing.
const SIZE_UNITS: [(&str, f64); 4] = [("K", 1024.0), ("M", 1_048_576.0), ("G", 1_073_741_824.0), ("T", 1_099_511_627_776.0)];

/// Nobody means a training of more than ten years, and much more would overflow a clock.
const LONGEST_S: f64 = 3650.0 * 86_400.0;

/// Reads a duration such as `90s`, `60m`, `1h30m` or `1.5h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let cure = "write a number with its unit, such as 90s, 60m or 1h30m";
    let mut rest = text.trim();
    let mut total_s = 0.0;
    let mut units = &TIME_UNITS[..];
    while !rest.is_empty() {
        let (number, after) = leading_number(rest).ok_or_else(|| format!("expected a number before `{rest}`; {cure}"))?;
        if after.is_empty() {
            return Err(format!("{number} has no unit; {cure}"));
        }
        // Longest unit first, each once: 30m1h is more likely a slip than a wish.
        let n_skipped = units
            .iter()
            .position(|(unit, _)| after.starts_with(unit))
            .ok_or_else(|| format!("`{after}` is not d, h, m or s, or not in this order; {cure}"))?;
        let (unit, unit_s) = units[n_skipped];
        total_s += number * unit_s;
        units = &units[n_skipped + 1..];
        rest = after[unit.len()..].trim_start();
    }
    if total_s > 0.0 && total_s <= LONGEST_S {
        Ok(Duration::from_secs_f64(total_s))
    } else {
        Err(format!("expected more than 0 s and less than ten years; {cure}"))
    }
}

/// Reads a size in bytes such as `8G`, `500M` or `1.5GiB`, in units of 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let cure = "write a number with its unit, such as 8G or 500M";
    let (number, unit) = leading_number(text.trim()).ok_or_else(|| format!("expected a number first; {cure}"))?;
    if unit.is_empty() {
        return Err(format!("{number} has no unit; {cure}"));
    }
    let unit = unit.to_ascii_uppercase();
    let prefix = unit.strip_suffix("IB").or_else(|| unit.strip_suffix('B')).unwrap_or(&unit);
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == prefix).ok_or_else(|| format!("`{unit}` is not K, M, G or T; {cure}"))?;
    let size = number * factor;
    // 2^53 bytes are 8 petabytes; beyond it an f64 is no longer exact, and no machine has them.
    if (1.0..=9_007_199_254_740_992.0).contains(&size) {
        Ok(size as u64)
    } else {
        Err(format!("expected at least 1 byte and at most 8192T; {cure}"))
    }
}

/// Reads a number of things of which there must be at least one.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(0) => Err("expected at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("expected a whole number such as 4".to_owned()),
    }
}

/// Reads a part of one, from 0 to 1.
pub(crate) fn part(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err("expected a number from 0 to 1, such as 0.7".to_owned()),
    }
}

/// Splits `1.5h` into 1.5 and `h`. Signs and exponents are no part of what people type here.
fn leading_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        let cases =
            [("90s", 90.0), ("60m", 3600.0), ("1h30m", 5400.0), ("1h 30m", 5400.0), ("1.5h", 5400.0), ("2d", 172_800.0), ("0.5s", 0.5)];
        for (text, expected_s) in cases {
            assert_eq!(duration(text).map(|found| found.as_secs_f64()), Ok(expected_s), "{text}");
        }
    }

    #[test]
    fn unclear_durations_are_refused_with_a_cure() {
        let cases = [
            ("60", "60 has no unit"),
            ("1h30", "30 has no unit"),
            ("30m1h", "not in this order"),
            ("1h1h", "not in this order"),
            ("5x", "`x` is not d, h, m or s"),
            ("h", "expected a number before `h`"),
            ("1.2.3h", "expected a number before"),
            ("-5m", "expected a number before"),
            ("0m", "more than 0 s"),
            ("", "more than 0 s"),
            ("99999999999999999999d", "more than 0 s"),
            ("１h", "expected a number before"),
        ];
        for (text, part) in cases {
            let message = duration(text).expect_err(text);
            assert!(message.contains(part) && message.contains("1h30m"), "{text}: {message}");
        }
    }

    #[test]
    fn sizes_are_read_in_units_of_1024() {
        let cases =
            [("8G", 8 << 30), ("8g", 8 << 30), ("8GB", 8 << 30), ("8 GiB", 8 << 30), ("500M", 500 << 20), ("1.5K", 1536), ("1T", 1 << 40)];
        for (text, expected) in cases {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn unclear_sizes_are_refused_with_a_cure() {
        for (text, part) in [
            ("8", "8 has no unit"),
            ("8X", "`X` is not"),
            ("G", "a number first"),
            ("0G", "at least 1 byte"),
            ("99999T", "at most"),
            ("", "a number first"),
        ] {
            let message = bytes(text).expect_err(text);
            assert!(message.contains(part) && message.contains("8G"), "{text}: {message}");
        }
    }

    #[test]
    fn counts_begin_at_one() {
        assert_eq!(count("4"), Ok(4));
        assert!(count("0").is_err() && count("-1").is_err() && count("many").is_err());
    }
}
