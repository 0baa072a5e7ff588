//! How much of what is there is found, and how much is found that is not there, over texts that are generated.

use classify::Scanner;

mod corpus;
mod random;
mod score;
mod templates;
mod values;

use score::Report;

/// A floor that falls when a detector does. `cargo xtask bench classify --quality` lists every fault.
#[test]
fn quality_stays_above_its_floors() {
    let report = Report::of(&Scanner::new(), &corpus::cases(800, 7));
    let total = report.total();
    let first = &report.faults[..report.faults.len().min(5)];
    assert!(total.f2() >= 0.95 && total.precision() >= 0.95, "{total:?} F2 {:.3} {first:#?}", total.f2());
    for (category, score) in &report.scores {
        assert!(score.recall() >= 0.85, "{category}: recall {:.3} {first:#?}", score.recall());
    }
}
