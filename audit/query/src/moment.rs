//! Moments as people say them: `2026-11-24T15:14:00Z`, `2026-11-24 15:14`, `2026-11-24`, `15:14`, `3:14 PM`,
//! `Tuesday 3:14 PM`, `yesterday 15:00`, `2h ago`, `2h`, `now`. Without a zone they are local time. A weekday is the last one that
//! is not in the future.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _, ZonedDateTime};

/// Why a text is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no time: write 2026-11-24T15:14:00Z, '2026-11-24 15:14', 'Tuesday 3:14 PM', 'yesterday 15:00', '15:14' or '2h ago'"
)]
pub struct NotAMoment(String);

/// The moment that `text` says, as records write it. `now` says when, and in which zone.
///
/// # Errors
/// It says none.
pub fn read(text: &str, now: &ZonedDateTime) -> Result<String, NotAMoment> {
    let said = text.trim().to_lowercase();
    let moment = absolute(text.trim()).or_else(|| ago(&said, now)).or_else(|| civil(&said, now));
    moment.map(|moment| written(&moment)).ok_or_else(|| NotAMoment(text.to_owned()))
}

/// The moment so much after one that a record has; `None`: there is none.
#[must_use]
pub fn later(moment: &str, by: std::time::Duration) -> Option<String> {
    let moment: Timestamp = moment.parse().ok()?;
    moment.checked_add(SignedDuration::try_from(by).ok()?).ok().map(|moment| written(&moment))
}

/// The moment so much before one that a record has; `None`: there is none.
#[must_use]
pub fn earlier(moment: &str, by: std::time::Duration) -> Option<String> {
    let moment: Timestamp = moment.parse().ok()?;
    moment.checked_sub(SignedDuration::try_from(by).ok()?).ok().map(|moment| written(&moment))
}

/// Now, in the zone of this machine.
#[must_use]
pub fn now(utc: bool) -> ZonedDateTime {
    if utc { Timestamp::now().to_zoned_datetime(TimeZone::UTC) } else { ZonedDateTime::now() }
}

/// A record's time in the zone of `now`, for a person.
#[must_use]
pub fn shown(time: &str, now: &ZonedDateTime) -> String {
    time.parse::<Timestamp>().map_or_else(
        |_strange| time.to_owned(),
        |time| time.to_zoned_datetime(now.time_zone().clone()).strftime("%F %T%.3f").to_string(),
    )
}

fn written(moment: &Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn absolute(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// `90s ago`, `2h ago`, `3 days ago`, `7d`, `now`.
fn ago(said: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    if said == "now" {
        return Some(now.timestamp());
    }
    let amount = said.strip_suffix("ago").unwrap_or(said).trim();
    let unit = amount.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: i64 = amount[..amount.len() - unit.len()].parse().ok()?;
    let seconds = match unit.trim() {
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        _other => return None,
    };
    now.timestamp().checked_sub(SignedDuration::from_secs(number.checked_mul(seconds)?)).ok()
}

/// A day, a time, or both.
fn civil(said: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    let today = now.date();
    let (day, rest) = match said.split_once([' ', 't']) {
        Some((first, rest)) if iso_day(first).is_some() => (iso_day(first), rest),
        _other => named_day(said, today),
    };
    let (day, rest) = match iso_day(said) {
        Some(day) => (Some(day), ""),
        None => (day, rest),
    };
    let time = match (rest.trim(), day) {
        ("", Some(_day)) => Time::midnight(),
        ("", None) => return None,
        (text, _) => time_of_day(text)?,
    };
    let mut moment = DateTime::from_parts(day.unwrap_or(today), time);
    // A weekday that is today, or a time of day without a day, that is still to come, was the one before.
    let in_zone = |moment: DateTime| moment.to_zoned_datetime(now.time_zone().clone()).ok();
    if in_zone(moment)? > *now {
        if day.is_none() {
            moment = moment.checked_sub(1.day()).ok()?;
        } else if day == Some(today) && weekday(said.split(' ').next()?).is_some() {
            moment = moment.checked_sub(7.days()).ok()?;
        }
    }
    in_zone(moment).map(|moment| moment.timestamp())
}

fn iso_day(text: &str) -> Option<Date> {
    let digits = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    text.parse().ok().filter(|_day| digits)
}

/// `today`, `yesterday` or a weekday at the beginning, and what follows it.
fn named_day(said: &str, today: Date) -> (Option<Date>, &str) {
    let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
    let day = match word {
        "today" => Some(today),
        "yesterday" => today.checked_sub(1.day()).ok(),
        word => weekday(word).and_then(|weekday| {
            let back = i64::from(today.weekday().since(weekday));
            today.checked_sub(back.days()).ok()
        }),
    };
    match day {
        Some(day) => (Some(day), rest.strip_prefix("at ").unwrap_or(rest)),
        None => (None, said),
    }
}

fn weekday(word: &str) -> Option<Weekday> {
    let days = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    days.into_iter()
        .find(|(name, _day)| *name == word || (word.len() == 3 && name.starts_with(word)))
        .map(|(_, day)| day)
}

/// `15:14`, `15:14:30.5`, `3:14 pm`, `3pm`.
fn time_of_day(text: &str) -> Option<Time> {
    let (clock, afternoon) = match (text.strip_suffix("am"), text.strip_suffix("pm")) {
        (Some(clock), _) => (clock.trim(), Some(false)),
        (_, Some(clock)) => (clock.trim(), Some(true)),
        (None, None) => (text, None),
    };
    let clock =
        if clock.contains(':') { clock.to_owned() } else { afternoon.map(|_half| format!("{clock}:00"))? };
    let padded = if clock.find(':') == Some(1) { format!("0{clock}") } else { clock };
    let time: Time = padded.parse().ok()?;
    let hour = match afternoon {
        None => return Some(time),
        Some(_half) if !(1..=12).contains(&time.hour()) => return None,
        Some(false) => time.hour() % 12,
        Some(true) => time.hour() % 12 + 12,
    };
    time.with().hour(hour).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_say() {
        // A Thursday, two hours east of Greenwich.
        let now: ZonedDateTime = "2026-11-26T16:30:00+02:00[+02:00]".parse().unwrap();
        for (said, moment) in [
            ("2026-11-24T15:14:00Z", "2026-11-24T15:14:00.000000Z"),
            ("2026-11-24T15:14:00.25+01:00", "2026-11-24T14:14:00.250000Z"),
            ("2026-11-24 15:14", "2026-11-24T13:14:00.000000Z"),
            ("2026-11-24T15:14", "2026-11-24T13:14:00.000000Z"),
            ("2026-11-24", "2026-11-23T22:00:00.000000Z"),
            ("Tuesday 3:14 PM", "2026-11-24T13:14:00.000000Z"),
            ("tue at 3:14pm", "2026-11-24T13:14:00.000000Z"),
            ("Tuesday", "2026-11-23T22:00:00.000000Z"),
            ("Thursday 3pm", "2026-11-26T13:00:00.000000Z"),
            ("Thursday 5pm", "2026-11-19T15:00:00.000000Z"),
            ("Friday 12:00 am", "2026-11-19T22:00:00.000000Z"),
            ("yesterday 15:00", "2026-11-25T13:00:00.000000Z"),
            ("today", "2026-11-25T22:00:00.000000Z"),
            ("15:14", "2026-11-26T13:14:00.000000Z"),
            ("17:00", "2026-11-25T15:00:00.000000Z"),
            ("12:30 pm", "2026-11-26T10:30:00.000000Z"),
            ("2h ago", "2026-11-26T12:30:00.000000Z"),
            ("3 days ago", "2026-11-23T14:30:00.000000Z"),
            ("now", "2026-11-26T14:30:00.000000Z"),
        ] {
            assert_eq!(read(said, &now).as_deref(), Ok(moment), "{said}");
        }
        for bad in [
            "",
            "noon",
            "25:00",
            "13:00 pm",
            "2026-02-30",
            "Tuesday Friday",
            "h ago",
            "99999999999999999999s ago",
            "tu",
        ] {
            read(bad, &now).expect_err(bad);
        }
    }
}
