//! The built-in functions that a module may call: those whose answer depends on their arguments alone, that
//! end soon whatever these are, and that make little out of little.
//!
//! An allow list: what the engine gains in a later version is refused until somebody has looked at it.

/// What is known of a built-in function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// May be called.
    Pure,
    /// May be called if the argument at this place is written out as a text: computed, it could make the
    /// answer as large as the product of its arguments.
    WithText(usize),
    /// May not: the reason, and what to do instead.
    Refused(&'static str, &'static str),
}

const PURE: [&str; 79] = [
    "abs",
    "all",
    "any",
    "array.concat",
    "array.reverse",
    "array.slice",
    "base64.decode",
    "base64.encode",
    "base64.is_valid",
    "base64url.decode",
    "base64url.encode",
    "base64url.encode_no_pad",
    "bits.and",
    "bits.negate",
    "bits.or",
    "bits.rsh",
    "bits.xor",
    "cast_array",
    "cast_boolean",
    "cast_null",
    "cast_object",
    "cast_set",
    "cast_string",
    "ceil",
    "contains",
    "count",
    "endswith",
    "floor",
    "format_int",
    "glob.match",
    "glob.quote_meta",
    "indexof",
    "indexof_n",
    "intersection",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "json.filter",
    "json.marshal",
    "json.remove",
    "lower",
    "max",
    "min",
    "net.cidr_contains",
    "net.cidr_is_valid",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.subset",
    "object.union",
    "object.union_n",
    "regex.find_n",
    "regex.is_valid",
    "regex.match",
    "regex.split",
    "round",
    "set_diff",
    "sort",
    "split",
    "startswith",
    "strings.any_prefix_match",
    "strings.any_suffix_match",
    "strings.reverse",
    "substring",
    "sum",
    "to_number",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "union",
];
const PURE_TOO: [&str; 1] = ["upper"];

const CLOCK: &str = "compare 'input.now', in seconds since 1970-01-01 00:00 UTC";

/// What is known of the built-in function `name`.
pub(crate) fn known(name: &str) -> Function {
    let family = name.split_once('.').map_or(name, |(family, _rest)| family);
    match (name, family) {
        ("concat", _) => Function::WithText(0),
        ("replace" | "regex.replace", _) => Function::WithText(2),
        ("sprintf", _) => Function::WithText(0),
        ("http.send", _) => {
            Function::Refused("it would reach out of the decision", "decide by what 'input' holds")
        }
        ("opa.runtime", _) => {
            Function::Refused("it tells about the machine, not the request", "decide by what 'input' holds")
        }
        (_, "time") => Function::Refused("a decision reads no clock and no time zones", CLOCK),
        (_, "rand" | "uuid") => {
            Function::Refused("the same request must get the same answer", "decide by what 'input' holds")
        }
        ("strings.count", _) => {
            Function::Refused("the engine fails on an empty search text", "count(indexof_n(text, part))")
        }
        (
            "numbers.range" | "numbers.range_step" | "bits.lsh" | "strings.replace_n" | "net.cidr_expand",
            _,
        ) => Function::Refused("its answer can be far larger than its arguments", "write the values out"),
        ("product", _) => Function::Refused(
            "its answer can be far larger than its arguments",
            "multiply by numbers written out",
        ),
        ("walk", _) => Function::Refused("its answer can be far larger than its arguments", "name the parts"),
        ("json.unmarshal" | "json.is_valid" | "units.parse" | "units.parse_bytes", _) => {
            Function::Refused("a short text such as 1e300 is a long number", "use to_number")
        }
        ("print" | "trace", _) => Function::Refused("a decision has no output", "remove it"),
        _ if PURE.contains(&name) || PURE_TOO.contains(&name) => Function::Pure,
        _ => Function::Refused("no such function can be called here", "see 'Rego' in policies/README.md"),
    }
}
