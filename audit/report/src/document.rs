//! What a report says, in no form yet. Text here is plain: each form makes it harmless for itself.

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// Lines below it: period, sandboxes.
    pub about: Vec<String>,
    /// What must be seen before anything else: why its evidence is not to be trusted.
    pub stamps: Vec<String>,
    /// The rest.
    pub blocks: Vec<Block>,
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Begins a section.
    Heading(String),
    /// Text.
    Paragraph(String),
    /// Points.
    List(Vec<String>),
    /// Rows under names of columns.
    Table(Table),
    /// A chart.
    Bars(Bars),
    /// Text to be kept as it is, to the byte.
    Verbatim(String),
}

/// Rows under names of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns, with the share of the width that each needs.
    pub columns: Vec<(&'static str, u8)>,
    /// One text per column.
    pub rows: Vec<Vec<String>>,
    /// Rows that there are besides.
    pub omitted: u64,
}

/// A chart of horizontal bars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bars {
    /// What it shows.
    pub title: String,
    /// What the two parts of a bar are.
    pub parts: [&'static str; 2],
    /// A bar: its name, and its two parts.
    pub bars: Vec<(String, [u64; 2])>,
}

impl Bars {
    /// The longest bar; at least 1.
    pub(crate) fn longest(&self) -> u64 {
        self.bars.iter().map(|(_, [first, second])| first.saturating_add(*second)).max().unwrap_or(1).max(1)
    }

    /// What stands behind a bar: the count of each part that has a name.
    pub(crate) fn figures(&self, parts: &[u64; 2]) -> String {
        let named = parts.iter().zip(self.parts).filter(|(_, name)| !name.is_empty());
        named.map(|(count, _)| count.to_string()).collect::<Vec<_>>().join(" | ")
    }

    /// A part's share of the longest bar, in thousandths.
    pub(crate) fn thousandths(&self, part: u64) -> u32 {
        let share = u128::from(part) * 1000 / u128::from(self.longest());
        u32::try_from(share).unwrap_or(1000)
    }
}

/// Characters that show nothing, or change the order of those around them, stand as their number.
pub(crate) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && audit::text::drives(c) {
            visible.push_str(&format!("<U+{:04X}>", u32::from(c)));
        } else {
            visible.push(c);
        }
    }
    visible
}
