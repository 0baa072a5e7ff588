//! The time that a report is about.

use std::str::FromStr;

/// From the first moment to before the second, as the log writes times: text of equal form, which sorts as time does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub from: String,
    /// The first moment after it.
    pub to: String,
}

/// Why a text is no period.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("'{0}' is no period")]
pub struct NotAPeriod(String);

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Day {
    year: u32,
    month: u32,
    day: u32,
}

/// `2026`, `2026-Q4`, `2026-11`, `2026-11-29`, or two of the last kind with `..` between them, both included.
impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        parse(text)
            .filter(|(from, to)| from < to)
            .map(|(from, to)| Self { from: from.start(), to: to.start() })
            .ok_or_else(|| NotAPeriod(text.chars().filter(|c| !c.is_control()).take(64).collect()))
    }
}

impl Period {
    /// Whether a record's time lies in it.
    #[must_use]
    pub fn holds(&self, time: &str) -> bool {
        (self.from.as_str()..self.to.as_str()).contains(&time)
    }

    /// The moment so many days before its end.
    #[must_use]
    pub fn days_before_end(&self, days: u32) -> String {
        let end = Day::parse(self.to.get(..10).unwrap_or_default());
        let mut day = end.expect("a period's end is a day");
        for _ in 0..days {
            day = day.before();
        }
        day.start()
    }
}

fn parse(text: &str) -> Option<(Day, Day)> {
    if let Some((from, to)) = text.split_once("..") {
        return Some((Day::parse(from)?, Day::parse(to)?.after()));
    }
    let month = |year, month| Day { year, month, day: 1 };
    match text.split('-').collect::<Vec<_>>()[..] {
        [year] => number(year, 4).map(|year| (month(year, 1), month(year + 1, 1))),
        [year, quarter] if quarter.starts_with('Q') => {
            let (year, quarter) = (number(year, 4)?, number(&quarter[1..], 1)?);
            let first = (1..=4).contains(&quarter).then(|| month(year, quarter * 3 - 2))?;
            Some((first, if quarter == 4 { month(year + 1, 1) } else { month(year, quarter * 3 + 1) }))
        }
        [year, number_of_month] => {
            let first = Day::parse(&format!("{year}-{number_of_month}-01"))?;
            let (year, number) = (first.year, first.month);
            Some((first, if number == 12 { month(year + 1, 1) } else { month(year, number + 1) }))
        }
        [_, _, _] => Day::parse(text).map(|day| (day, day.after())),
        _ => None,
    }
}

fn number(text: &str, digits: usize) -> Option<u32> {
    let all_digits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

impl Day {
    fn parse(text: &str) -> Option<Self> {
        let [year, month, day] = text.split('-').collect::<Vec<_>>()[..] else { return None };
        let day = Self { year: number(year, 4)?, month: number(month, 2)?, day: number(day, 2)? };
        ((1970..9999).contains(&day.year)
            && (1..=12).contains(&day.month)
            && (1..=day.last()).contains(&day.day))
        .then_some(day)
    }

    /// The last day of its month.
    fn last(self) -> u32 {
        match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if self.year.is_multiple_of(4)
                && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400)) =>
            {
                29
            }
            2 => 28,
            _ => 31,
        }
    }

    fn after(self) -> Self {
        if self.day < self.last() {
            Self { day: self.day + 1, ..self }
        } else if self.month < 12 {
            Self { month: self.month + 1, day: 1, ..self }
        } else {
            Self { year: self.year + 1, month: 1, day: 1 }
        }
    }

    fn before(self) -> Self {
        if self.day > 1 {
            return Self { day: self.day - 1, ..self };
        }
        let month = if self.month > 1 {
            Self { month: self.month - 1, ..self }
        } else {
            Self { year: self.year - 1, month: 12, ..self }
        };
        Self { day: month.last(), ..month }
    }

    fn start(self) -> String {
        format!("{:04}-{:02}-{:02}T00:00:00.000000Z", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_where_the_next_begins() {
        let table = [
            ("2026", "2026-01-01", "2027-01-01"),
            ("2026-Q1", "2026-01-01", "2026-04-01"),
            ("2026-Q4", "2026-10-01", "2027-01-01"),
            ("2026-12", "2026-12-01", "2027-01-01"),
            ("2028-02-28", "2028-02-28", "2028-02-29"),
            ("2027-02-28", "2027-02-28", "2027-03-01"),
            ("2026-11-01..2026-11-30", "2026-11-01", "2026-12-01"),
        ];
        for (text, from, to) in table {
            let period: Period = text.parse().unwrap();
            assert_eq!((&period.from[..10], &period.to[..10]), (from, to), "{text}");
        }
        for wrong in [
            "",
            "26",
            "2026-13",
            "2026-Q5",
            "2026-Qé",
            "2026-02-30",
            "2026-12-02..2026-12-01",
            "2026-11-29T00",
            "..",
            "2026-1",
        ] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
        let november: Period = "2026-11".parse().unwrap();
        assert!(
            november.holds("2026-11-30T23:59:59.999999Z") && !november.holds("2026-12-01T00:00:00.000000Z")
        );
        assert_eq!(&november.days_before_end(90)[..10], "2026-09-02");
    }
}
