//! A filter as a question to the index. Words that fit are looked for in our own code, so that they fit in the index exactly
//! where they fit in a record; the database only joins numbers, and no text of anybody's becomes a part of its language.

use audit::pattern::folded;
use audit::{Action, Decision};
use rusqlite::{Connection, OptionalExtension as _};

use crate::filter::{Filter, Pattern};
use crate::index::{Column, RARE, action_code, code, micros};

use super::words::{Ids, Within, list};

/// Conditions on rows of the index. Each leaves at least the records that the filter asks for.
#[derive(Debug)]
pub(super) struct Plan {
    conditions: Vec<String>,
    /// Those by which rows can be found without looking at all.
    words: Vec<String>,
    /// The rows of the time that was asked, if it is not most of the log.
    within: Option<Within>,
    /// Sets of words that were asked for.
    sets: usize,
    newest_first: bool,
}

impl Plan {
    /// The question behind record `last`, in one order or the other.
    pub(super) fn of(
        connection: &Connection,
        filter: &Filter,
        (last, newest_first): (Option<u64>, bool),
    ) -> Result<Self, rusqlite::Error> {
        let mut plan =
            Self { conditions: Vec::new(), words: Vec::new(), within: None, sets: 0, newest_first };
        if let Some(last) = last {
            plan.conditions.push(format!("sequence {} {last}", if newest_first { '<' } else { '>' }));
        }
        if !filter.record.is_empty() {
            let numbers = filter.record.iter().filter_map(|number| i64::try_from(*number).ok());
            plan.conditions.push(format!("sequence IN ({})", list(numbers)));
        }
        plan.time(connection, (filter.since.as_deref(), filter.until.as_deref()))?;
        match filter.decision {
            Some(Decision::Deny) => plan.conditions.push("kind % 4 = 2".to_owned()),
            Some(Decision::Allow) => plan.conditions.push("kind % 4 = 1".to_owned()),
            None => {}
        }
        if !filter.action.is_empty() {
            let codes = filter.action.iter().map(|action| action_code(*action));
            if codes.clone().all(|code| RARE.contains(&code)) {
                // Said as the index says it, which the database does not conclude by itself.
                plan.conditions.push(format!("kind >= {} AND kind < {}", 4 * RARE.start, 4 * RARE.end));
            }
            plan.conditions.push(format!("kind / 4 IN ({})", list(codes)));
        }
        plan.words(connection, Column::Host, &filter.host, Pattern::is)?;
        plan.words(connection, Column::Path, &filter.path, Pattern::is)?;
        plan.words(connection, Column::Rule, &filter.rule, Pattern::is)?;
        plan.words(connection, Column::Level, &filter.level, Pattern::is)?;
        plan.words(connection, Column::Program, &filter.binary, Pattern::is_program)?;
        plan.requests(&filter.request);
        plan.digests(connection, &filter.digest)?;
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
        plan.choose(connection)?;
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
            let fits = |text: &str| patterns.iter().any(|pattern| fits(pattern, text));
            let ids = Ids::matching(connection, (column, self.within), fits)?;
            // Levels are a handful, and not worth an index.
            let can_find = ids.can_find() && column != Column::Level;
            let condition = ids.condition(connection, (column, self.next()))?;
            self.add(condition, can_find);
        }
        Ok(())
    }

    fn next(&mut self) -> usize {
        self.sets += 1;
        self.sets
    }

    fn add(&mut self, condition: String, can_find: bool) {
        if can_find { &mut self.words } else { &mut self.conditions }.push(condition);
    }

    /// Rows of a time. Said as sequence numbers as well, if it is not most of the log: every index has them in order within
    /// a word, so that a word and a time together cost no more than the rows that have both. Exact whatever the clock did:
    /// all rows of the time are looked at.
    fn time(
        &mut self,
        connection: &Connection,
        (since, until): (Option<&str>, Option<&str>),
    ) -> Result<(), rusqlite::Error> {
        let (since, until) = (since.map_or(i64::MIN, micros), until.map_or(i64::MAX, micros));
        if (since, until) == (i64::MIN, i64::MAX) {
            return Ok(());
        }
        let time = format!("time >= {since} AND time < {until}");
        // The plus keeps the database from finding rows by time: it would have to sort them.
        self.conditions.push(format!("+({time})"));
        let end = |order: &str| {
            let sql = format!("SELECT sequence FROM record WHERE {time} ORDER BY time {order} LIMIT 1");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).optional()
        };
        let (Some(first), Some(last)) = (end("ASC")?, end("DESC")?) else {
            self.conditions.push("0".to_owned());
            return Ok(());
        };
        if last.saturating_sub(first) < WIDE {
            let sql = format!("SELECT min(sequence), max(sequence) FROM record WHERE {time}");
            let (first, last): (i64, i64) =
                connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            self.conditions.push(format!("sequence BETWEEN {first} AND {last}"));
            self.within = Some(Within(first, last));
        }
        Ok(())
    }

    /// Lets the database find rows by the rarest of the words, and only check the others. It cannot know itself which that
    /// is: hosts and rules are few that are common and many that are rare.
    fn choose(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let mut words = std::mem::take(&mut self.words);
        if words.len() > 1 {
            let mut counted = Vec::with_capacity(words.len());
            for word in words {
                let within: Vec<&str> = self.conditions.iter().map(String::as_str).chain([&*word]).collect();
                let count: i64 = connection.query_row(
                    &format!(
                        "SELECT count(*) FROM (SELECT 1 FROM record WHERE {} LIMIT {MANY})",
                        within.join(" AND ")
                    ),
                    [],
                    |row| row.get(0),
                )?;
                counted.push((count, word));
            }
            counted.sort_by_key(|(count, _word)| *count);
            words = counted.into_iter().map(|(_count, word)| word).collect();
        }
        let others = words.split_off(words.len().min(1));
        self.conditions.append(&mut words);
        self.conditions.extend(others.into_iter().map(|word| format!("+({word})")));
        Ok(())
    }

    /// Rows of these requests; with a wildcard, of any.
    fn requests(&mut self, patterns: &[Pattern]) {
        if patterns.is_empty() {
            return;
        }
        self.words.push(codes(patterns).map_or_else(
            || "request IS NOT NULL".to_owned(),
            |codes| format!("request IN ({})", list(codes.into_iter())),
        ));
    }

    /// Rows that are about these contents, or of which a program has one; with a wildcard, about any.
    fn digests(&mut self, connection: &Connection, patterns: &[Pattern]) -> Result<(), rusqlite::Error> {
        if patterns.is_empty() {
            return Ok(());
        }
        let fits = |text: &str| patterns.iter().any(|pattern| pattern.is(text));
        let of_programs = Ids::matching(connection, (Column::Content, self.within), fits)?;
        let can_find = of_programs.can_find();
        let of_objects = codes(patterns)
            .map_or_else(String::new, |codes| format!(" WHERE code IN ({})", list(codes.into_iter())));
        let of_programs = of_programs.condition(connection, (Column::Content, self.next()))?;
        let any = format!("({of_programs} OR sequence IN (SELECT sequence FROM digest{of_objects}))");
        self.add(any, can_find);
        Ok(())
    }

    /// Rows with the text in any of their words, or as their request.
    fn text(&mut self, connection: &Connection, text: &str) -> Result<(), rusqlite::Error> {
        let (mut any, mut can_find) = (vec![format!("request = {}", code(text))], true);
        for column in [Column::Host, Column::Path, Column::Program, Column::Rule, Column::Level, Column::Rest]
        {
            let fits = |word: &str| folded(word).contains(text);
            let ids = Ids::matching(connection, (column, self.within), fits)?;
            if !ids.is_empty() {
                can_find &= ids.can_find();
                any.push(ids.condition(connection, (column, self.next()))?);
            }
        }
        let actions: Vec<i64> = Action::ALL
            .iter()
            .filter(|action| action.as_str().contains(text))
            .map(|action| action_code(*action))
            .collect();
        if !actions.is_empty() {
            any.push(format!("kind / 4 IN ({})", list(actions.into_iter())));
        }
        self.add(format!("({})", any.join(" OR ")), can_find);
        Ok(())
    }
}

/// Records that are so many that a time is looked for record by record.
const WIDE: i64 = 1_000_000;

/// Rows that are counted to find the rarest word; more are many.
const MANY: u32 = 50_000;

/// The patterns as numbers of the index; `None`: one of them is not a whole text.
fn codes(patterns: &[Pattern]) -> Option<Vec<i64>> {
    patterns.iter().map(|pattern| pattern.literal().map(code)).collect()
}
