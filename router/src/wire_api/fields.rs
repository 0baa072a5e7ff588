//! Reading an object against the list of its members.

use super::NotUnderstood;
use crate::json::Node;
use ::classify::Category;
use ::classify::unreadable::TOKEN_IDS;

/// The members of an object.
pub(super) struct Fields<'a> {
    /// Parameters: whatever text they hold is classified like all other text.
    pub(super) plain: &'a [&'a str],
    /// Members that the caller checks further.
    pub(super) checked: &'a [&'a str],
}

/// Collects what holds no text.
#[derive(Debug, Default)]
pub(super) struct Reader {
    opaque: Vec<Category>,
}

impl Reader {
    /// Notes a part that holds no text.
    pub(super) fn opaque(&mut self, category: Category) {
        self.opaque.push(category);
    }

    /// What was noted.
    pub(super) fn into_opaque(self) -> Vec<Category> {
        self.opaque
    }

    /// `node` as an object with no member beyond `fields`.
    pub(super) fn object<'n>(
        &self,
        node: &'n Node,
        at: &str,
        fields: &Fields<'_>,
    ) -> Result<&'n Node, NotUnderstood> {
        let Node::Object(members) = node else { return Err(NotUnderstood::new(at, "must be an object")) };
        let known = |key: &str| fields.plain.contains(&key) || fields.checked.contains(&key);
        match members.iter().find(|(key, _)| !known(key)) {
            Some((key, _)) => Err(NotUnderstood::new(&format!("{at}.{key}"), "is not supported here")),
            None => Ok(node),
        }
    }

    /// Runs `check` on every element of an array that may be absent or null.
    pub(super) fn each(
        &mut self,
        list: Option<&Node>,
        at: &str,
        mut check: impl FnMut(&mut Self, &Node, &str) -> Result<(), NotUnderstood>,
    ) -> Result<(), NotUnderstood> {
        match list {
            None | Some(Node::Null) => Ok(()),
            Some(Node::List(elements)) => {
                let mut elements = elements.iter().enumerate();
                elements.try_for_each(|(index, element)| check(self, element, &format!("{at}[{index}]")))
            }
            Some(_) => Err(NotUnderstood::new(at, "must be an array")),
        }
    }

    /// A string that may be absent or null.
    pub(super) fn optional_text(&self, node: Option<&Node>, at: &str) -> Result<(), NotUnderstood> {
        match node {
            None | Some(Node::Null | Node::Text(_)) => Ok(()),
            Some(_) => Err(NotUnderstood::new(at, "must be a string")),
        }
    }

    /// A prompt: a string, strings, or token ids.
    pub(super) fn text_or_tokens(&mut self, node: Option<&Node>, at: &str) -> Result<(), NotUnderstood> {
        match node {
            Some(Node::Text(_)) => Ok(()),
            Some(Node::List(elements)) => {
                let is_text = |element: &Node| matches!(element, Node::Text(_));
                if !elements.iter().all(is_text) {
                    self.opaque(TOKEN_IDS);
                }
                let known =
                    |element: &Node| is_text(element) || matches!(element, Node::Number(_) | Node::List(_));
                if elements.iter().all(known) {
                    Ok(())
                } else {
                    Err(NotUnderstood::new(at, "must hold text"))
                }
            }
            Some(_) => Err(NotUnderstood::new(at, "must be text")),
            None => Err(NotUnderstood::new(at, "is missing")),
        }
    }
}

/// A member that must be there, as a string.
pub(super) fn require_text(body: &Node, key: &'static str) -> Result<(), NotUnderstood> {
    match body.get(key) {
        Some(Node::Text(_)) => Ok(()),
        Some(_) => Err(NotUnderstood::new(key, "must be a string")),
        None => Err(NotUnderstood::new(key, "is missing")),
    }
}
