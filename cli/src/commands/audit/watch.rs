//! `openshell audit watch`: the live feed on standard output, or served.

mod grpc;

use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use audit::log::Follow;
use audit::{Action, Record};
use audit_query::moment;
use audit_watch::{Detector, FeedEvent, Surface};
use manager::audit_settings::AuditSettings;
use manager::failure::Failure;
use manager::layout::Layout;

use super::bad_log;
use super::line::{Table, row};
use crate::arguments::{Output, SurfaceName, Watch};

/// How long one wait is; it ends sooner when something comes.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What is printed of the records.
struct Printer<'a> {
    typed: &'a Watch,
    /// Looks again, instead of the manager's findings.
    detector: Option<Detector>,
    table: Table,
}

pub(super) fn run(typed: &Watch, layout: &Layout) -> Result<u8, Failure> {
    match &typed.grpc {
        Some(address) => grpc::serve(address, typed, layout),
        None => watch(&super::path(&typed.log, layout)?, typed, layout),
    }
}

fn watch(path: &Path, typed: &Watch, layout: &Layout) -> Result<u8, Failure> {
    let settings = AuditSettings::load(layout)?.detections;
    let detector = typed.detect.then(|| Detector::new(settings));
    let mut printer = Printer { typed, detector, table: Table::default() };
    let mut follow = Follow::all(path).map_err(|error| bad_log(&error))?;
    while let Some(record) = follow.next_now().map_err(|error| bad_log(&error))? {
        let lines = printer.lines(record);
        // What is detected next may stand on what came before, which is read, and not shown.
        if typed.from_start && print(&lines).is_err() {
            return Ok(0);
        }
    }
    if typed.once {
        return Ok(0);
    }
    loop {
        let next = follow.next_within(PATIENCE).map_err(|error| bad_log(&error))?;
        if print(&next.map(|record| printer.lines(record)).unwrap_or_default()).is_err() {
            // Whoever reads it has had enough.
            return Ok(0);
        }
    }
}

impl Printer<'_> {
    fn lines(&mut self, record: Record) -> Vec<String> {
        let mut records = Vec::new();
        match &mut self.detector {
            Some(_looks_again) if record.event.action == Action::Detection => {}
            Some(detector) => {
                let findings = detector.observe(&record);
                let found: Vec<_> = findings.iter().map(|finding| finding.beside(&record)).collect();
                records.push(record);
                records.extend(found);
            }
            None => records.push(record),
        }
        records.retain(|record| self.is_asked_for(record));
        records.into_iter().map(|record| self.line(record)).collect()
    }

    fn line(&mut self, record: Record) -> String {
        match self.typed.output {
            Output { json: true } => FeedEvent::from(record).to_json(),
            Output { json: false } => {
                let now = moment::now(self.typed.utc);
                self.table.next(row(&record, |time| moment::shown(time, &now)))
            }
        }
    }

    fn is_asked_for(&self, record: &Record) -> bool {
        let surface = match Surface::of(record.event.action) {
            Surface::AgentInput => SurfaceName::AgentInput,
            Surface::AgentOutput => SurfaceName::AgentOutput,
            Surface::AgentBehaviour => SurfaceName::AgentBehaviour,
            Surface::Finding => SurfaceName::Finding,
        };
        self.typed.surface.is_empty() || self.typed.surface.contains(&surface)
    }
}

fn print(lines: &[String]) -> io::Result<()> {
    let mut out = crate::output::stdout();
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
}
