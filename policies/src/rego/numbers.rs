//! Numbers from texts, as short as [`super::size`] takes every number to be. The engine's own reader makes a
//! number of three hundred digits out of `1e300`.

use regorus::{Engine, Value};

/// Longest text that is a number.
const LONGEST: usize = 18;

/// The text is not a number that a module may make.
#[derive(Debug, thiserror::Error)]
#[error("`to_number` reads at most {LONGEST} digits, with or without a sign and a point")]
struct NotANumber;

/// Puts [`to_number`] before the engine's function of that name.
pub(super) fn replace_parser(engine: &mut Engine) -> Result<(), impl std::fmt::Display + use<>> {
    let function = |arguments: Vec<Value>| Ok(to_number(arguments.first().unwrap_or(&Value::Undefined))?);
    engine.add_extension("to_number".to_owned(), 1, Box::new(function))
}

fn to_number(value: &Value) -> Result<Value, NotANumber> {
    match value {
        Value::Null | Value::Bool(false) => Ok(Value::from(0_u64)),
        Value::Bool(true) => Ok(Value::from(1_u64)),
        Value::Number(_) => Ok(value.clone()),
        Value::String(text) => read(text),
        _ => Err(NotANumber),
    }
}

fn read(text: &str) -> Result<Value, NotANumber> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !plain || digits.len() > LONGEST {
        return Err(NotANumber);
    }
    match Value::from_json_str(text) {
        Ok(number @ Value::Number(_)) => Ok(number),
        _ => Err(NotANumber),
    }
}
