//! A report as PDF: A4, Helvetica (which every reader has), text that can be selected, page numbers.

mod font;
mod page;

use crate::document::{Bars, Block, Document, Table};
use font::{Face, encode, width, wrap};
use page::{Colour, Pages};

const LEFT: f32 = 48.0;
const WIDTH: f32 = 499.0;
const TEXT: f32 = 9.5;
const SMALL: f32 = 7.5;
const BLACK: Colour = [0.11, 0.14, 0.19];
const GREY: Colour = [0.33, 0.38, 0.45];
const WHITE: Colour = [1.0, 1.0, 1.0];
const RED: Colour = [0.70, 0.15, 0.12];
const LIGHT: Colour = [0.95, 0.96, 0.97];
const FIRST: Colour = [0.25, 0.49, 0.67];
const SECOND: Colour = [0.78, 0.33, 0.24];
/// Space between a cell's border and its text.
const INSET: f32 = 3.0;
/// Longest name in a chart.
const NAME: f32 = 110.0;

/// The report as PDF.
#[must_use]
pub fn render(document: &Document) -> Vec<u8> {
    let mut pages = Pages::new();
    lines(&mut pages, &document.title, (17.0, Face::Bold, BLACK));
    pages.down(4.0);
    for stamp in &document.stamps {
        stamped(&mut pages, stamp);
    }
    document.about.iter().for_each(|line| lines(&mut pages, line, (TEXT, Face::Plain, GREY)));
    for block in &document.blocks {
        match block {
            Block::Heading(text) => {
                pages.down(14.0);
                pages.keep(60.0);
                lines(&mut pages, text, (12.5, Face::Bold, BLACK));
                pages.down(4.0);
            }
            Block::Paragraph(text) => {
                pages.down(4.0);
                pages.keep(40.0);
                lines(&mut pages, text, (TEXT, Face::Plain, BLACK));
                pages.down(2.0);
            }
            Block::List(points) => {
                points
                    .iter()
                    .for_each(|point| lines(&mut pages, &format!("– {point}"), (TEXT, Face::Plain, BLACK)));
            }
            Block::Table(rows) => table(&mut pages, rows),
            Block::Bars(bars) => chart(&mut pages, bars),
            Block::Verbatim(text) => {
                text.lines().for_each(|line| verbatim(&mut pages, line));
            }
        }
    }
    pages.finish(&document.title, !document.stamps.is_empty())
}

fn lines(pages: &mut Pages, text: &str, (size, face, colour): (f32, Face, Colour)) {
    for line in wrap(text, WIDTH, (size, face)) {
        pages.keep(size * 1.35);
        pages.down(size * 1.35);
        pages.text(&line, (LEFT, 0.0), (size, face, colour));
    }
}

/// A line that is to be copied whole: if it is long, it is small.
fn verbatim(pages: &mut Pages, line: &str) {
    let wide = width(&encode(line), (SMALL, Face::Plain));
    let size = if wide > WIDTH { SMALL * WIDTH / wide } else { SMALL };
    pages.keep(SMALL * 1.35);
    pages.down(SMALL * 1.35);
    pages.text(line, (LEFT, 0.0), (size, Face::Plain, BLACK));
}

fn stamped(pages: &mut Pages, text: &str) {
    let wrapped = wrap(text, WIDTH - 16.0, (10.5, Face::Bold));
    let height = 14.0 * points(wrapped.len()) + 10.0;
    pages.keep(height + 6.0);
    pages.down(height + 6.0);
    pages.fill((LEFT, 0.0), (WIDTH, height), RED);
    for (line, number) in wrapped.iter().zip(1..) {
        pages.text(line, (LEFT + 8.0, height - 14.0 * points(number)), (10.5, Face::Bold, WHITE));
    }
}

fn table(pages: &mut Pages, table: &Table) {
    if table.rows.is_empty() {
        lines(pages, "None.", (TEXT, Face::Plain, GREY));
        return;
    }
    pages.down(3.0);
    let header = row(table, table.columns.iter().map(|(name, _)| *name), Face::Bold);
    pages.keep(header.1 + 30.0);
    draw(pages, table, &header, Face::Bold);
    for cells in &table.rows {
        let cells = row(table, cells.iter().map(String::as_str), Face::Plain);
        if pages.keep(cells.1) {
            draw(pages, table, &header, Face::Bold);
        }
        draw(pages, table, &cells, Face::Plain);
    }
    if table.omitted > 0 {
        lines(pages, &format!("{} more are in the log.", table.omitted), (SMALL, Face::Plain, GREY));
    }
}

/// A row's cells in lines, and its height.
fn row<'a>(table: &Table, cells: impl Iterator<Item = &'a str>, face: Face) -> (Vec<Vec<String>>, f32) {
    let cells: Vec<_> = cells
        .zip(&table.columns)
        .map(|(cell, (_, share))| wrap(cell, column(*share) - 2.0 * INSET, (SMALL, face)))
        .collect();
    let most = cells.iter().map(Vec::len).max().unwrap_or_default();
    (cells, points(most) * SMALL * 1.25 + 5.0)
}

fn draw(pages: &mut Pages, table: &Table, (cells, height): &(Vec<Vec<String>>, f32), face: Face) {
    pages.down(*height);
    if face == Face::Bold {
        pages.fill((LEFT, 0.0), (WIDTH, *height), LIGHT);
    }
    pages.fill((LEFT, 0.0), (WIDTH, 0.4), [0.82, 0.85, 0.88]);
    let mut x = LEFT;
    for (cell, (_, share)) in cells.iter().zip(&table.columns) {
        for (line, number) in cell.iter().zip(1..) {
            let y = height - 1.5 - points(number) * SMALL * 1.25;
            pages.text(line, (x + INSET, y + 1.0), (SMALL, face, BLACK));
        }
        x += column(*share);
    }
}

fn column(share: u8) -> f32 {
    WIDTH * f32::from(share) / 100.0
}

fn chart(pages: &mut Pages, bars: &Bars) {
    if bars.bars.is_empty() {
        return;
    }
    pages.down(4.0);
    pages.keep(60.0);
    let legend: Vec<_> = bars.parts.iter().filter(|part| !part.is_empty()).copied().collect();
    lines(pages, &format!("{} ({})", bars.title, legend.join(" | ")), (TEXT, Face::Bold, BLACK));
    pages.down(3.0);
    for (name, parts) in &bars.bars {
        pages.keep(13.0);
        pages.down(13.0);
        let name = wrap(name, NAME - 6.0, (SMALL, Face::Plain)).into_iter().next().unwrap_or_default();
        pages.text(&name, (LEFT, 3.0), (SMALL, Face::Plain, BLACK));
        let longest = WIDTH - NAME - 70.0;
        let share =
            |part| f32::from(u16::try_from(bars.thousandths(part)).unwrap_or(1000)) / 1000.0 * longest;
        let [first, second] = parts.map(share);
        pages.fill((LEFT + NAME, 1.0), (first, 9.0), FIRST);
        pages.fill((LEFT + NAME + first, 1.0), (second, 9.0), SECOND);
        pages.text(
            &bars.figures(parts),
            (LEFT + NAME + first + second + 4.0, 3.0),
            (SMALL, Face::Plain, GREY),
        );
    }
}

/// A count as a factor of lengths. No page has so many lines that it would not be exact.
fn points(count: usize) -> f32 {
    f32::from(u16::try_from(count).unwrap_or(u16::MAX))
}
