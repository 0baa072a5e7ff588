//! How much one text may ask for, so that a small one cannot become a large document.

use super::tree::{Id, Kind, Slot};

/// Longest text that is read, in bytes.
pub const MAX_TEXT: usize = 4 * 1024 * 1024;

pub(super) const MAX_NODES: usize = 500_000;
const MAX_ALIASES: usize = 64;
/// Of collections in each other. It bounds every recursion over a document.
const MAX_DEPTH: usize = 32;
/// Of all scalars together, those that aliases repeat included.
const MAX_SCALAR_BYTES: usize = 64 * 1024 * 1024;
/// Scalars, and starts and ends of collections, that all aliases together stand for.
const MAX_REPLAYED: usize = 10_000;

/// What a text has used so far. Each method says what was used up, if that is too much.
#[derive(Debug, Default)]
pub(super) struct Spent {
    aliases: usize,
    anchors: usize,
    nodes: usize,
    scalar_bytes: usize,
    replayed: usize,
}

impl Spent {
    pub(super) fn scalar(&mut self, text: &str) -> Result<(), String> {
        self.node()?;
        self.scalar_bytes += text.len();
        within(self.scalar_bytes, MAX_SCALAR_BYTES, "bytes of text")
    }

    /// A collection at `depth`, which is 1 for the outermost.
    pub(super) fn collection(&mut self, depth: usize) -> Result<(), String> {
        self.node()?;
        within(depth, MAX_DEPTH, "levels")
    }

    pub(super) fn anchor(&mut self) -> Result<(), String> {
        self.anchors += 1;
        within(self.anchors, MAX_ALIASES, "anchors")
    }

    pub(super) fn alias(&mut self) -> Result<(), String> {
        self.aliases += 1;
        within(self.aliases, MAX_ALIASES, "aliases")
    }

    /// An alias for the node `id`, in a collection at `depth`: all that it stands for is used once more.
    pub(super) fn replay(&mut self, slots: &[Slot<'_>], id: Id, depth: usize) -> Result<(), String> {
        let node = match &slots[id.0] {
            Slot::Node(node) => node,
            Slot::Alias { target, .. } => return self.replay(slots, *target, depth),
            Slot::Broken => return Ok(()),
        };
        self.event()?;
        match &node.kind {
            Kind::Scalar(scalar) => return self.scalar(&scalar.text),
            Kind::List(items) => {
                self.collection(depth + 1)?;
                items.iter().try_for_each(|item| self.replay(slots, *item, depth + 1))?;
            }
            Kind::Mapping(entries) => {
                self.collection(depth + 1)?;
                let nodes = entries.iter().flat_map(|(key, value)| [key, value]);
                nodes.copied().try_for_each(|node| self.replay(slots, node, depth + 1))?;
            }
        }
        self.event()
    }

    fn node(&mut self) -> Result<(), String> {
        self.nodes += 1;
        within(self.nodes, MAX_NODES, "values")
    }

    fn event(&mut self) -> Result<(), String> {
        self.replayed += 1;
        if self.replayed > MAX_REPLAYED {
            return Err(too_large(MAX_REPLAYED, "values by its aliases"));
        }
        Ok(())
    }
}

fn within(used: usize, limit: usize, unit: &str) -> Result<(), String> {
    if used > limit {
        return Err(too_large(limit, unit));
    }
    Ok(())
}

#[cold]
fn too_large(limit: usize, unit: &str) -> String {
    format!("the document has more than {limit} {unit}")
}
