//! `openshell audit tail`.

use std::collections::VecDeque;
use std::path::Path;

use audit::log;
use manager::failure::Failure;

use super::bad_log;
use super::line::line;
use crate::arguments::Output;

pub(super) fn tail(path: &Path, lines: usize, output: Output) -> Result<u8, Failure> {
    let mut last = VecDeque::with_capacity(lines.min(1024));
    for record in log::read(path).map_err(|error| bad_log(&error))? {
        if last.len() == lines {
            last.pop_front();
        }
        last.push_back(record.map_err(|error| bad_log(&error))?);
    }
    for record in &last {
        if output.json {
            println!("{}", serde_json::to_string(record).map_err(|error| bad_log(&error))?);
        } else {
            println!("{}", line(record));
        }
    }
    Ok(0)
}
