//! `--since`: a time as questions say it.

use audit_query::moment;
use manager::failure::Failure;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970.
pub(super) fn parse(text: &str) -> Result<i64, Failure> {
    let unknown = |error: &dyn std::fmt::Display| {
        Failure::new(error, "openshell audit query --help shows how times are said")
    };
    let moment = moment::read(text, &moment::now(false)).map_err(|error| unknown(&error))?;
    let time = OffsetDateTime::parse(&moment, &Rfc3339).map_err(|error| unknown(&error))?;
    i64::try_from(time.unix_timestamp_nanos() / 1000).map_err(|error| unknown(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ages() {
        assert_eq!(parse("1970-01-01T00:00:01.5Z").unwrap(), 1_500_000);
        assert_eq!(parse("1970-01-01T01:00:00+01:00").unwrap(), 0);
        let (now, day) = (parse("now").unwrap(), parse("1d").unwrap());
        assert!((now - day - 86_400_000_000).abs() < 3_600_000_000, "{now} {day}");
        assert!(parse("yesterday").unwrap() < now);
        for bad in ["", "d", "1", "-1h", "99999999999999999d", "1é", "soon"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
