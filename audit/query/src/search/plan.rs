//! A filter as a question to the index. Words that fit are looked for in our own code, so that they fit in the index exactly
//! where they fit in a record; the database only joins numbers, and no text of anybody's becomes a part of its language.

use audit::Decision;
use rusqlite::Connection;

use crate::filter::{Filter, Pattern};
use crate::index::{ACTIONS, Column, action_code, micros, request_code, split};

/// Conditions on rows of the index. Each leaves at least the records that the filter asks for.
#[derive(Debug)]
pub(super) struct Plan {
    conditions: Vec<String>,
    newest_first: bool,
}

impl Plan {
    /// The question behind record `last`, in one order or the other.
    pub(super) fn of(
        connection: &Connection,
        filter: &Filter,
        (last, newest_first): (Option<u64>, bool),
    ) -> Result<Self, rusqlite::Error> {
        let mut plan = Self { conditions: Vec::new(), newest_first };
        if let Some(last) = last {
            plan.conditions.push(format!("sequence {} {last}", if newest_first { '<' } else { '>' }));
        }
        if let Some(since) = &filter.since {
            plan.conditions.push(format!("time >= {}", micros(since)));
        }
        if let Some(until) = &filter.until {
            plan.conditions.push(format!("time < {}", micros(until)));
        }
        match filter.decision {
            Some(Decision::Deny) => plan.conditions.push("kind % 4 = 2".to_owned()),
            Some(Decision::Allow) => plan.conditions.push("kind % 4 = 1".to_owned()),
            None => {}
        }
        if !filter.action.is_empty() {
            plan.conditions.push(format!(
                "kind / 4 IN ({})",
                list(filter.action.iter().map(|action| action_code(*action)))
            ));
        }
        plan.words(connection, Column::Host, &filter.host, Pattern::is)?;
        plan.words(connection, Column::Path, &filter.path, Pattern::is)?;
        plan.words(connection, Column::Rule, &filter.rule, Pattern::is)?;
        plan.words(connection, Column::Level, &filter.level, Pattern::is)?;
        plan.words(connection, Column::Program, &filter.binary, Pattern::is_program)?;
        plan.requests(&filter.request);
        for patterns in [
            &filter.method,
            &filter.tenant,
            &filter.agent,
            &filter.client,
            &filter.credential,
            &filter.category,
        ] {
            plan.words(connection, Column::Rest, patterns, Pattern::is)?;
        }
        if let Some(text) = &filter.text {
            plan.text(connection, &text.to_lowercase())?;
        }
        Ok(plan)
    }

    pub(super) fn sql(&self) -> String {
        let conditions = if self.conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.conditions.join(" AND "))
        };
        let order = if self.newest_first { "DESC" } else { "ASC" };
        format!("SELECT place, sequence FROM record{conditions} ORDER BY sequence {order}")
    }

    /// Rows whose word of `column` fits one of the patterns.
    fn words(
        &mut self,
        connection: &Connection,
        column: Column,
        patterns: &[Pattern],
        fits: impl Fn(&Pattern, &str) -> bool,
    ) -> Result<(), rusqlite::Error> {
        if !patterns.is_empty() {
            let ids =
                matching(connection, column, |text| patterns.iter().any(|pattern| fits(pattern, text)))?;
            self.conditions.push(among(connection, column, &ids)?);
        }
        Ok(())
    }

    /// Rows of these requests; with a wildcard, of any.
    fn requests(&mut self, patterns: &[Pattern]) {
        if patterns.is_empty() {
            return;
        }
        let whole: Option<Vec<i64>> =
            patterns.iter().map(|pattern| pattern.literal().map(request_code)).collect();
        self.conditions.push(whole.map_or_else(
            || "request IS NOT NULL".to_owned(),
            |codes| format!("request IN ({})", list(codes.into_iter())),
        ));
    }

    /// Rows with the text in any of their words, or as their request.
    fn text(&mut self, connection: &Connection, text: &str) -> Result<(), rusqlite::Error> {
        let mut any = vec![format!("request = {}", request_code(text))];
        for column in [Column::Host, Column::Path, Column::Program, Column::Rule, Column::Level, Column::Rest]
        {
            let ids = matching(connection, column, |word| word.to_lowercase().contains(text))?;
            if !ids.is_empty() {
                any.push(among(connection, column, &ids)?);
            }
        }
        let actions: Vec<i64> = ACTIONS
            .iter()
            .filter(|action| action.as_str().contains(text))
            .map(|action| action_code(*action))
            .collect();
        if !actions.is_empty() {
            any.push(format!("kind / 4 IN ({})", list(actions.into_iter())));
        }
        self.conditions.push(format!("({})", any.join(" OR ")));
        Ok(())
    }
}

/// Numbers of the words of `column` of which a value fits.
fn matching(
    connection: &Connection,
    column: Column,
    fits: impl Fn(&str) -> bool,
) -> Result<Vec<i64>, rusqlite::Error> {
    let mut words = connection.prepare_cached("SELECT id, text FROM word WHERE field = ?1")?;
    let mut rows = words.query([column.code()])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        if split(row.get_ref(1)?.as_str()?).any(|value| fits(&value)) {
            ids.push(row.get(0)?);
        }
    }
    Ok(ids)
}

/// Words that stand in the question itself; more of them go through a table.
const FEW: usize = 500;

/// The condition that a row has one of these words.
fn among(connection: &Connection, column: Column, ids: &[i64]) -> Result<String, rusqlite::Error> {
    let name = column.name();
    if ids.len() <= FEW {
        return Ok(format!("{name} IN ({})", list(ids.iter().copied())));
    }
    // A connection that only reads may still have tables of its own.
    let table = format!("temp.wanted_{}", connection.total_changes());
    connection.execute_batch(&format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY)"))?;
    let mut insert = connection.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES (?1)"))?;
    for id in ids {
        insert.execute([id])?;
    }
    Ok(format!("{name} IN (SELECT id FROM {table})"))
}

fn list(numbers: impl Iterator<Item = i64>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(", ")
}
