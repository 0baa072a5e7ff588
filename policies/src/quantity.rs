//! Quantities as people write them: a whole number and a unit, `512MiB` or `30m`.

const SIZES: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
const AGES: [(&str, u64); 3] = [("m", 60), ("h", 3600), ("d", 86400)];
const SPANS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];

/// Bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    scaled(text, &SIZES)
}

/// Seconds: `90m`, `12h`, `7d`.
pub(crate) fn age(text: &str) -> Option<u64> {
    scaled(text, &AGES)
}

/// Seconds: `90s`, `30m`, `2h`.
#[must_use]
pub fn span(text: &str) -> Option<u64> {
    scaled(text, &SPANS)
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn a_number_and_its_unit() {
        assert_eq!(
            (size("1KiB"), size("3GiB"), span("90s"), span("2h")),
            (Some(1024), Some(3 << 30), Some(90), Some(7200))
        );
        assert_eq!((age("7d"), age("90m"), age("7w"), age("7s")), (Some(604_800), Some(5400), None, None));
        for bad in ["", "1", "KiB", "1 KiB", "1KB", "-1KiB", "1.5GiB", "99999999999TiB", "1m"] {
            assert_eq!(size(bad), None, "{bad}");
        }
        for bad in ["", "1", "m", "1d", "1 m", "1KiB"] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }
}
