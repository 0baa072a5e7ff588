//! A report as Markdown (CommonMark with tables).

use std::fmt::Write as _;

use crate::document::{Bars, Block, Document, Table, visible};

/// The report as Markdown.
#[must_use]
pub fn render(document: &Document) -> String {
    let mut out = format!("# {}\n\n", plain(&document.title));
    for stamp in &document.stamps {
        write(&mut out, format_args!("> **{}**\n\n", plain(stamp)));
    }
    for line in &document.about {
        write(&mut out, format_args!("{}\n\n", plain(line)));
    }
    for block in &document.blocks {
        match block {
            Block::Heading(text) => write(&mut out, format_args!("## {}\n\n", plain(text))),
            Block::Paragraph(text) => write(&mut out, format_args!("{}\n\n", plain(text))),
            Block::List(points) => {
                points.iter().for_each(|point| write(&mut out, format_args!("- {}\n", plain(point))));
                out.push('\n');
            }
            Block::Table(rows) => table(&mut out, rows),
            Block::Bars(bars) => chart(&mut out, bars),
            // Indented, no line of it can end the block.
            Block::Verbatim(text) => {
                text.lines().for_each(|line| write(&mut out, format_args!("    {}\n", visible(line))));
                out.push('\n');
            }
        }
    }
    out
}

fn table(out: &mut String, table: &Table) {
    if table.rows.is_empty() {
        out.push_str("None.\n\n");
        return;
    }
    let names: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
    write(out, format_args!("| {} |\n|{}\n", names.join(" | "), " --- |".repeat(names.len())));
    for row in &table.rows {
        let cells: Vec<_> = row.iter().map(|cell| plain(cell)).collect();
        write(out, format_args!("| {} |\n", cells.join(" | ")));
    }
    if table.omitted > 0 {
        write(out, format_args!("\n{} more are in the log.\n", table.omitted));
    }
    out.push('\n');
}

/// Where nothing can be drawn, a table.
fn chart(out: &mut String, bars: &Bars) {
    let shown: Vec<usize> = (0..2).filter(|part| !bars.parts[*part].is_empty()).collect();
    let rows = bars.bars.iter().map(|(name, parts)| {
        std::iter::once(name.clone()).chain(shown.iter().map(|part| parts[*part].to_string())).collect()
    });
    let columns = std::iter::once(("", 40)).chain(shown.iter().map(|part| (bars.parts[*part], 30)));
    write(out, format_args!("**{}**\n\n", plain(&bars.title)));
    table(out, &Table { columns: columns.collect(), rows: rows.collect(), omitted: 0 });
}

/// Text in which no character means anything to Markdown or HTML.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = visible(text);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\n' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // An address becomes a link even without markup, unless it is broken.
            ':' if characters.peek() == Some(&'/') => out.push_str("&#58;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            // At its beginning a line can still become a heading, a list or a rule.
            '#' | '-' | '+' | '=' if out.is_empty() => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // `www.` alone is a link to some readers as well.
    out.replace("www.", "www&#46;")
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}
