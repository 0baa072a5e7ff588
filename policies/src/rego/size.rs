//! How large a value can be: a bound that holds whatever is asked, worked out before anything is.
//!
//! The engine looks at its timer between steps and not within one, so no step may be long. A step takes time
//! and memory by the sizes of the values that it goes over; those are bounded here, in bytes as if every value
//! were written out (a list that holds one text a thousand times counts it a thousand times).

/// Bytes that one step may go over.
pub(super) const STEP: u64 = 1 << 27;
/// The same for a step that compares everything in one value with everything in another.
pub(super) const STEP_OF_PAIRS: u64 = 1 << 30;
/// Longest pattern of a regular expression or glob, which is compiled when it is first used.
pub(super) const PATTERN: u64 = 4096;
/// Turns that loops can make within the budget; less than a hundred nanoseconds each has not been seen.
const TURNS: u64 = 1 << 19;
/// What multiplication with a number that is written out adds.
pub(super) const FACTOR: u64 = 16;
/// What a value counts at least.
const NODE: u64 = 8;
/// A number that was not multiplied, true, false or null.
const SCALAR: u64 = 40;

/// Bounds of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Everything in it.
    pub(super) total: u64,
    /// Its members, if it is a collection.
    pub(super) count: u64,
    /// The largest of its members, keys counted with their values.
    pub(super) member: u64,
}

impl Size {
    pub(super) const SCALAR: Self = Self::of(SCALAR);

    /// A value of which nothing but the whole is known.
    pub(super) const fn of(total: u64) -> Self {
        Self { total, count: total, member: total }
    }

    pub(super) fn text(length: usize) -> Self {
        Self::of(NODE.saturating_add(u64::try_from(length).unwrap_or(u64::MAX)))
    }

    /// A collection of these.
    pub(super) fn collected(members: impl IntoIterator<Item = Self>) -> Self {
        let empty = Self { total: NODE, count: 0, member: 0 };
        members.into_iter().fold(empty, |all, member| Self {
            total: all.total.saturating_add(member.total),
            count: all.count + 1,
            member: all.member.max(member.total),
        })
    }

    /// A collection to which each turn of its loops adds a member.
    pub(super) fn repeated(self, turns: u64) -> Self {
        let count = turns.min(TURNS);
        let total = NODE.saturating_add(self.total.max(NODE).saturating_mul(count));
        Self { total, count, member: self.total }
    }

    pub(super) fn member(self) -> Self {
        Self::of(self.member)
    }

    /// One or the other.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            total: self.total.max(other.total),
            count: self.count.max(other.count),
            member: self.member.max(other.member),
        }
    }

    /// One and the other in a collection of their kind.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            total: self.total.saturating_add(other.total),
            count: self.count.saturating_add(other.count),
            member: self.member.max(other.member),
        }
    }

    pub(super) fn plus(self, bytes: u64) -> Self {
        Self::of(self.total.saturating_add(bytes))
    }

    fn times(self, factor: u64) -> Self {
        Self::of(self.total.saturating_mul(factor))
    }
}

/// What the request can bring, by the name of its field; [`super::input`] lets no more in.
pub(super) fn of_input(field: &str) -> Size {
    use super::input::{FIELDS, HEADERS, PATH, PROGRAM, PROGRAMS, QUERY};
    let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    // A byte that is no UTF-8 becomes a character of three.
    let pairs = |count: usize| {
        let total = bytes(count).saturating_mul(3).saturating_add(bytes(FIELDS).saturating_mul(2 * NODE));
        Size { total, count: bytes(FIELDS), member: total }
    };
    match field {
        "binary" | "binary_path" | "script" => Size::text(PROGRAM),
        "binaries" => Size::text(PROGRAM).repeated(bytes(PROGRAMS)),
        "host" | "sha256" => Size::text(256),
        "method" => Size::text(64),
        "path" => Size::text(PATH),
        "query" => pairs(QUERY),
        "headers" => pairs(HEADERS),
        "port" | "now" => Size::SCALAR,
        _ => Size::of(bytes(HEADERS).saturating_mul(4) + bytes(PROGRAM * PROGRAMS)),
    }
}

/// The answer of a built-in function; `written` is the length of an argument that must be written out.
pub(super) fn of_answer(name: &str, arguments: &[Size], written: usize) -> Size {
    let first = arguments.first().copied().unwrap_or_default();
    let all = arguments.iter().copied().reduce(Size::and).unwrap_or_default();
    let written = u64::try_from(written).unwrap_or(u64::MAX).saturating_add(1);
    match name {
        _ if is_scalar(name) => Size::SCALAR,
        "split" | "regex.split" | "regex.find_n" | "indexof_n" => {
            let total = all.total.saturating_mul(NODE + 1);
            Size { total, count: all.total, member: all.total }
        }
        "array.concat" | "array.reverse" | "array.slice" | "sort" | "intersection" | "set_diff" => all,
        "concat" => arguments.last().copied().unwrap_or_default().times(written),
        "replace" => first.times(written),
        "regex.replace" => first.times(written),
        // A width has three digits at most.
        "sprintf" => all.times(written.saturating_mul(6)).plus(written.saturating_mul(1000)),
        "json.marshal" | "format_int" => all.times(8),
        "lower" | "upper" | "cast_string" => all.times(3),
        "base64.encode" | "base64url.encode" | "base64url.encode_no_pad" | "glob.quote_meta" => all.times(2),
        _ => Size::of(all.total),
    }
}

/// Whether the answer is a number that stands for a place or a count, true or false.
fn is_scalar(name: &str) -> bool {
    name.starts_with("is_")
        || name.ends_with("is_valid")
        || name.ends_with("_match")
        || matches!(
            name,
            "all"
                | "any"
                | "contains"
                | "count"
                | "endswith"
                | "glob.match"
                | "indexof"
                | "net.cidr_contains"
                | "object.subset"
                | "regex.match"
                | "startswith"
                | "to_number"
                | "type_name"
        )
}

/// Whether a function does not go over its arguments.
pub(super) fn is_immediate(name: &str) -> bool {
    name == "count" || name == "type_name" || name.starts_with("is_")
}

/// Whether a function compares everything in its arguments with everything in another.
pub(super) fn is_of_pairs(name: &str) -> bool {
    name.starts_with("trim")
        || name.starts_with("indexof")
        || name.starts_with("strings.any_")
        || matches!(
            name,
            "json.filter"
                | "json.remove"
                | "object.filter"
                | "object.remove"
                | "object.subset"
                | "intersection"
                | "net.cidr_contains"
        )
}
