//! `--since`: a time, or an age.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use manager::failure::Failure;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970.
pub(super) fn parse(text: &str) -> Result<i64, Failure> {
    let time = match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(time) => Some(time.unix_timestamp_nanos() / 1000),
        Err(_an_age) => age(text).map(before_now),
    };
    time.and_then(|micros| i64::try_from(micros).ok()).ok_or_else(|| {
        Failure::new(
            format_args!("'{text}' is no time"),
            "write 2026-11-29T05:20:47Z, or an age such as 90m, 12h or 7d",
        )
    })
}

fn age(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

fn before_now(age: Duration) -> i128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(age).as_micros().try_into().unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ages() {
        assert_eq!(parse("1970-01-01T00:00:01.5Z").unwrap(), 1_500_000);
        assert_eq!(parse("1970-01-01T01:00:00+01:00").unwrap(), 0);
        let now = parse("0s").unwrap();
        let day = parse("1d").unwrap();
        assert!((86_399_000_000..=86_400_000_000).contains(&(now - day)), "{now} {day}");
        for bad in ["", "d", "1", "1w", "-1h", "yesterday", "99999999999999999d", "1é"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
