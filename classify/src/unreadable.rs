//! What no detector can look inside, and so counts as the worst: named by whoever meets it.

use crate::category::Category;

/// Token ids instead of text.
pub const TOKEN_IDS: Category = Category::unclassifiable("token-ids");

/// A token list, an embedding, an audio track: numbers that stand for something else.
pub const NUMBER_LIST: Category = Category::unclassifiable("number-list");

/// A picture.
pub const IMAGE: Category = Category::unclassifiable("image");

/// Sound.
pub const AUDIO: Category = Category::unclassifiable("audio");

/// Moving pictures.
pub const VIDEO: Category = Category::unclassifiable("video");

/// A document that is no text, or that lies elsewhere.
pub const FILE: Category = Category::unclassifiable("file");

/// What a model thought, for its provider's eyes only.
pub const ENCRYPTED: Category = Category::unclassifiable("encrypted-reasoning");

/// What a provider keeps, named by an id.
pub const REMOTE_STATE: Category = Category::unclassifiable("remote-state");

/// A picture, an archive, a document within a text: named by its first bytes.
pub const EMBEDDED_FILE: Category = Category::unclassifiable("embedded-file");

/// A long encoded run that is no text.
pub const ENCODED_BINARY: Category = Category::unclassifiable("encoded-binary");

/// More decoded text than is looked at.
pub const TOO_MUCH_ENCODED: Category = Category::unclassifiable("too-much-encoded-text");

/// Text was still encoded below the deepest layer that is undone.
pub const NESTED_TOO_DEEP: Category = Category::unclassifiable("nested-encoding");

/// All of them.
pub const ALL: [Category; 12] = [
    TOKEN_IDS,
    NUMBER_LIST,
    IMAGE,
    AUDIO,
    VIDEO,
    FILE,
    ENCRYPTED,
    REMOTE_STATE,
    EMBEDDED_FILE,
    ENCODED_BINARY,
    TOO_MUCH_ENCODED,
    NESTED_TOO_DEEP,
];
