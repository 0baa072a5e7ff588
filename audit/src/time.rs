//! Times as the log writes them: RFC 3339, UTC, microseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `2026-11-21T05:20:47.123456Z`. A clock before 1970 reads as 1970.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, micros) = (since.as_secs(), since.subsec_micros());
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The time since 1970 that [`rfc3339`] writes so; `None`: it writes none so.
pub(crate) fn since_1970(text: &str) -> Option<Duration> {
    let number = |at: std::ops::Range<usize>| text.get(at)?.parse::<u32>().ok().map(u64::from);
    let [month, day] = [number(5..7)?, number(8..10)?];
    let days = days(number(0..4)?, month, day)?;
    let seconds = (number(11..13)? * 60 + number(14..16)?) * 60 + number(17..19)?;
    let micros = number(20..26)?;
    let since = Duration::from_secs(days * 86_400 + seconds) + Duration::from_micros(micros);
    (rfc3339(UNIX_EPOCH + since) == text).then_some(since)
}

/// The day after 1970-01-01 that [`date`] gives, of a month that it gives.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year_from_march = year.checked_sub(u64::from(month <= 2))?;
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

/// Year, month and day of a day after 1970-01-01, in the Gregorian calendar. Counting years from March
/// puts the leap day at the end of a year, where it disturbs no month.
fn date(days: u64) -> (u64, u64, u64) {
    // Days from 0000-03-01 to 1970-01-01; an era is 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        let table = [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000000Z"),
            (951_868_799, 999_999_000, "2000-02-29T23:59:59.999999Z"),
            (1_709_164_800, 0, "2024-02-29T00:00:00.000000Z"),
            (1_735_689_599, 0, "2024-12-31T23:59:59.000000Z"),
            (1_795_238_447, 123_456_789, "2026-11-21T05:20:47.123456Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
        ];
        for (seconds, nanos, expected) in table {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::new(seconds, nanos)), expected);
            assert_eq!(since_1970(expected), Some(Duration::new(seconds, nanos / 1000 * 1000)));
        }
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn what_is_written_otherwise_is_no_time() {
        for text in [
            "",
            "now",
            "2026-11-29T00:00:00Z",
            "2026-11-29T00:00:00.000000+",
            "2026-02-30T00:00:00.000000Z",
            "2026-00-01T00:00:00.000000Z",
            "0000-01-01T00:00:00.000000Z",
            "2026-11-29T24:00:00.000000Z",
            "2026-11-29 00:00:00.000000Z",
            "+026-11-29T00:00:00.000000Z",
            "2026-11-2\u{e9}T00:00:00.000000",
        ] {
            assert_eq!(since_1970(text), None, "{text}");
        }
    }

    #[test]
    fn days_follow_each_other() {
        let mut last = date(0);
        for day in 1..200_000 {
            let next = date(day);
            assert!(next > last && next.1 <= 12 && next.2 <= 31, "{next:?}");
            assert_eq!(days(next.0, next.1, next.2), Some(day));
            assert!(next.2 == last.2 + 1 || next.2 == 1, "{last:?} {next:?}");
            last = next;
        }
    }
}
