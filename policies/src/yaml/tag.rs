//! The tags that mean something: those of the core schema. Every other one is refused, since a document that needs
//! it would be misunderstood without it.

use granit_parser::Tag as Written;

const NAMESPACE: &str = "tag:yaml.org,2002:";

/// What the author says a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tag {
    /// Nothing: its text decides.
    None,
    /// `!`: a text, which may still be read as a number where one is asked for.
    NonSpecific,
    Text,
    Null,
    Bool,
    Int,
    Float,
}

/// What a tag stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    List,
    Mapping,
}

impl Tag {
    /// The meaning of `written` at a node of `shape`; the tag in the author's spelling, if it has none there.
    pub(super) fn of(written: Option<&Written>, shape: Shape) -> Result<Self, String> {
        let Some(written) = written else { return Ok(Self::None) };
        let text = written.to_string();
        let name = written.core_suffix().or_else(|| local_name(&text));
        match (name, shape) {
            (Some(""), _) => Ok(Self::NonSpecific),
            (Some("seq"), Shape::List) | (Some("map"), Shape::Mapping) => Ok(Self::None),
            (Some("str"), Shape::Scalar) => Ok(Self::Text),
            (Some("null"), Shape::Scalar) => Ok(Self::Null),
            (Some("bool"), Shape::Scalar) => Ok(Self::Bool),
            (Some("int"), Shape::Scalar) => Ok(Self::Int),
            (Some("float"), Shape::Scalar) => Ok(Self::Float),
            _ => Err(written.original()),
        }
    }

    /// Whether the scalar is a text whatever it looks like.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::NonSpecific)
    }

    /// Whether a value of type `wanted` may be read from a scalar with this tag.
    pub(super) fn admits(self, wanted: Self) -> bool {
        matches!(self, Self::None | Self::NonSpecific) || self == wanted
    }
}

/// `!int` is read as `!!int` is.
fn local_name(tag: &str) -> Option<&str> {
    let spelled = tag.strip_prefix(NAMESPACE).or_else(|| tag.strip_prefix('!'))?;
    Some(spelled.strip_prefix('!').unwrap_or(spelled))
}
