//! A report as one HTML file: no script, nothing loaded from elsewhere, and a policy in it that says so to the browser.

use std::fmt::Write as _;

use crate::document::{Bars, Block, Document, Table, visible};

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:15px/1.5 system-ui,sans-serif;color:#1c2430;max-width:70rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin-bottom:.3rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #cfd6df;padding-bottom:.2rem}
table{border-collapse:collapse;width:100%;table-layout:fixed;margin:.6rem 0;font-size:.86rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid #e3e8ee;overflow-wrap:anywhere}
th{background:#f2f5f8}pre{background:#f2f5f8;padding:.7rem;white-space:pre-wrap;overflow-wrap:anywhere}
.stamp{background:#b3261e;color:#fff;padding:.8rem 1rem;font-weight:600}.about{color:#546173;margin:.1rem 0}
svg{width:100%;height:auto;font:12px system-ui,sans-serif}
@media print{body{margin:0;max-width:none}tr{break-inside:avoid}}
</style>
"#;

/// The report as HTML.
#[must_use]
pub fn render(document: &Document) -> String {
    let title = plain(&document.title);
    let mut out = format!("{HEAD}<title>{title}</title></head><body>\n<h1>{title}</h1>\n");
    for stamp in &document.stamps {
        write(&mut out, format_args!("<p class=\"stamp\">{}</p>\n", plain(stamp)));
    }
    for line in &document.about {
        write(&mut out, format_args!("<p class=\"about\">{}</p>\n", plain(line)));
    }
    for block in &document.blocks {
        match block {
            Block::Heading(text) => write(&mut out, format_args!("<h2>{}</h2>\n", plain(text))),
            Block::Paragraph(text) => write(&mut out, format_args!("<p>{}</p>\n", plain(text))),
            Block::List(points) => {
                let points: String =
                    points.iter().map(|point| format!("<li>{}</li>", plain(point))).collect();
                write(&mut out, format_args!("<ul>{points}</ul>\n"));
            }
            Block::Table(rows) => table(&mut out, rows),
            Block::Bars(bars) => chart(&mut out, bars),
            Block::Verbatim(text) => write(&mut out, format_args!("<pre>{}</pre>\n", plain(text))),
        }
    }
    out.push_str("</body></html>\n");
    out
}

fn table(out: &mut String, table: &Table) {
    if table.rows.is_empty() {
        out.push_str("<p class=\"about\">None.</p>\n");
        return;
    }
    out.push_str("<table><thead><tr>");
    for (name, width) in &table.columns {
        write(out, format_args!("<th style=\"width:{width}%\">{}</th>", plain(name)));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in &table.rows {
        let cells: String = row.iter().map(|cell| format!("<td>{}</td>", plain(cell))).collect();
        write(out, format_args!("<tr>{cells}</tr>\n"));
    }
    out.push_str("</tbody></table>\n");
    if table.omitted > 0 {
        write(out, format_args!("<p class=\"about\">{} more are in the log.</p>\n", table.omitted));
    }
}

/// Pixels of a bar's line, of its name, and of the longest bar.
const LINE: usize = 20;
const NAME: u32 = 170;
const LONGEST: u32 = 640;

fn chart(out: &mut String, bars: &Bars) {
    if bars.bars.is_empty() {
        return;
    }
    let height = LINE * bars.bars.len() + 24;
    let legend: Vec<_> = bars.parts.iter().filter(|part| !part.is_empty()).copied().collect();
    let legend = plain(&format!("{} ({})", bars.title, legend.join(" | ")));
    write(out, format_args!("<svg viewBox=\"0 0 960 {height}\" role=\"img\" aria-label=\"{legend}\">\n"));
    write(out, format_args!("<text x=\"0\" y=\"14\" font-weight=\"600\">{legend}</text>\n"));
    for ((name, parts), number) in bars.bars.iter().zip(0..) {
        let top = 24 + LINE * number;
        let [first, second] = parts.map(|part| bars.thousandths(part) * LONGEST / 1000);
        let name: String = name.chars().take(26).collect();
        write(out, format_args!("<text x=\"0\" y=\"{}\">{}</text>", top + 13, plain(&name)));
        write(
            out,
            format_args!("<rect x=\"{NAME}\" y=\"{top}\" width=\"{first}\" height=\"15\" fill=\"#3f7cac\"/>"),
        );
        let at = NAME + first;
        write(
            out,
            format_args!("<rect x=\"{at}\" y=\"{top}\" width=\"{second}\" height=\"15\" fill=\"#c8553d\"/>"),
        );
        let (x, y) = (at + second + 6, top + 13);
        write(out, format_args!("<text x=\"{x}\" y=\"{y}\">{}</text>\n", bars.figures(parts)));
    }
    out.push_str("</svg>\n");
}

fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes everything");
}
