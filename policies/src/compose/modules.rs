//! The Rego modules of the layers: their files read, and all of them in one list.

use super::{FileText, Files};
use crate::document::{Document, RegoEntries, Sources};
use crate::place::{At, Place, SourceId};
use crate::yaml::{LoadError, LoadErrors};

/// Reads the files that modules of `document` name; `base` is the document's own name.
pub(super) fn inline(
    document: &mut Document,
    base: &str,
    sources: &mut Sources,
    files: &dyn Files,
) -> Result<(), LoadErrors> {
    let mut found = Vec::new();
    for entry in &mut document.rego.0 {
        let Some(file) = &entry.value.file else { continue };
        let refuse =
            |reason: String, remedy: &str| LoadError::new(base, file.place, reason, remedy).about("file");
        if entry.value.text.is_some() {
            found.push(refuse("the module has a 'file' and a 'text'".to_owned(), "keep one of the two"));
            continue;
        }
        match files.read(base, &file.value) {
            Ok(FileText { name, text }) => match sources.add(&name) {
                Some(source) => {
                    entry.value.text = Some(At { value: text, place: Place { source, line: 1, column: 1 } });
                }
                None => found.push(refuse("too many files are read".to_owned(), "use fewer modules")),
            },
            Err(cause) => {
                let reason = format!("cannot read '{}': {cause}", file.value);
                found.push(refuse(reason, "name a Rego file that can be read"));
            }
        }
    }
    LoadErrors::from_found(found).map_or(Ok(()), Err)
}

/// All modules, in the order of the layers. Nothing replaces a module: two of one name are a mistake.
pub(super) fn united(layers: &[Document], sources: &Sources) -> Result<RegoEntries, LoadErrors> {
    let mut all: Vec<At<crate::document::RegoEntry>> = Vec::new();
    for entry in layers.iter().flat_map(|layer| &layer.rego.0) {
        let name = entry.value.name.as_ref();
        let same = |known: &At<crate::document::RegoEntry>| {
            name.is_some()
                && known.value.name.as_ref().map(|name| &name.value) == name.map(|name| &name.value)
        };
        if let (Some(name), Some(known)) = (name, all.iter().find(|known| same(known))) {
            let other = known.value.name.as_ref().map_or(SourceId::OWN, |name| name.place.source);
            let reason = format!("a module '{}' is in {} already", name.value, sources.name(other));
            let file = sources.name(name.place.source);
            return Err(LoadError::new(file, name.place, reason, "give it another name")
                .about("rego")
                .into());
        }
        all.push(entry.clone());
    }
    Ok(RegoEntries(all))
}
