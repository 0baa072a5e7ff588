//! Pages of a PDF, from top to bottom.

use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

use super::font::{Face, encode, width};

/// Red, green, blue, from 0 to 1.
pub(super) type Colour = [f32; 3];

const HEIGHT: f32 = 842.0;
const BREADTH: f32 = 595.0;
const TOP: f32 = 48.0;
const BOTTOM: f32 = 56.0;

/// Pages that are being written.
pub(super) struct Pages {
    done: Vec<Content>,
    page: Content,
    /// Where the next thing stands, in points from the page's lower edge.
    y: f32,
}

impl Pages {
    pub(super) fn new() -> Self {
        Self { done: Vec::new(), page: Content::new(), y: HEIGHT - TOP }
    }

    /// Goes down by so much.
    pub(super) fn down(&mut self, by: f32) {
        self.y -= by;
    }

    /// Begins a page if so much does not fit on this one; whether it did.
    pub(super) fn keep(&mut self, height: f32) -> bool {
        let full = self.y - height < BOTTOM;
        if full {
            self.done.push(std::mem::replace(&mut self.page, Content::new()));
            self.y = HEIGHT - TOP;
        }
        full
    }

    /// Writes text at `x` and so much above where we are.
    pub(super) fn text(
        &mut self,
        text: &str,
        (x, above): (f32, f32),
        (size, face, colour): (f32, Face, Colour),
    ) {
        put(&mut self.page, text, (x, self.y + above), (size, face, colour));
    }

    /// Fills a rectangle whose lower left corner is at `x` and so much above where we are.
    pub(super) fn fill(&mut self, (x, above): (f32, f32), (wide, high): (f32, f32), [r, g, b]: Colour) {
        self.page.set_fill_rgb(r, g, b);
        self.page.rect(x, self.y + above, wide, high);
        self.page.fill_nonzero();
    }

    /// The file. `stamped`: every page says that the evidence is not to be trusted.
    pub(super) fn finish(mut self, title: &str, stamped: bool) -> Vec<u8> {
        self.done.push(self.page);
        let total = self.done.len();
        let mut next = Ref::new(1);
        let mut id = || next.bump();
        let (catalog, tree, plain, bold, info) = (id(), id(), id(), id(), id());
        let ids: Vec<(Ref, Ref)> = self.done.iter().map(|_| (id(), id())).collect();
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree).lang(TextStr("en"));
        let count = i32::try_from(total).unwrap_or(i32::MAX);
        pdf.pages(tree).kids(ids.iter().map(|(page, _)| *page)).count(count);
        pdf.document_info(info).title(TextStr(title)).producer(TextStr("openshell"));
        for (font, name) in [(plain, &b"Helvetica"[..]), (bold, b"Helvetica-Bold")] {
            pdf.type1_font(font).base_font(Name(name)).encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        for ((mut content, (page, stream)), number) in self.done.into_iter().zip(ids).zip(1_usize..) {
            foot(&mut content, title, (number, total), stamped);
            let mut written = pdf.page(page);
            written.media_box(Rect::new(0.0, 0.0, BREADTH, HEIGHT)).parent(tree).contents(stream);
            written.resources().fonts().pair(Name(b"F1"), plain).pair(Name(b"F2"), bold);
            written.finish();
            pdf.stream(stream, &content.finish());
        }
        pdf.finish()
    }
}

fn foot(content: &mut Content, title: &str, (number, total): (usize, usize), stamped: bool) {
    let grey = (7.5, Face::Plain, [0.33, 0.38, 0.45]);
    put(content, title, (48.0, 32.0), grey);
    let of = format!("{number} / {total}");
    let wide = width(&encode(&of), (7.5, Face::Plain));
    put(content, &of, (BREADTH - 48.0 - wide, 32.0), grey);
    if stamped {
        put(content, "NOT INTACT", (270.0, 32.0), (7.5, Face::Bold, [0.70, 0.15, 0.12]));
    }
}

fn put(content: &mut Content, text: &str, (x, y): (f32, f32), (size, face, [r, g, b]): (f32, Face, Colour)) {
    let font = if face == Face::Bold { Name(b"F2") } else { Name(b"F1") };
    content.set_fill_rgb(r, g, b);
    content.begin_text().set_font(font, size).next_line(x, y).show(Str(&encode(text))).end_text();
}
