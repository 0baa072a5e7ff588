use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::manifest::Origin;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn name(text: &str) -> ImageName {
    text.parse().unwrap()
}

/// Content of a whole number of blocks.
fn padded(content: &[u8]) -> Vec<u8> {
    let mut padded = content.to_vec();
    padded.resize(content.len().next_multiple_of(crate::verity::BLOCK), 0);
    padded
}

fn put(store: &Store, text: &str, content: &[u8]) -> Image {
    let content = &padded(content);
    let work = store.work().unwrap();
    let file = work.path("image");
    fs::write(&file, content).unwrap();
    let manifest = Manifest {
        version: manifest::VERSION,
        name: name(text),
        origin: Origin::Recipe { recipe: Digest::of_bytes(b"recipe") },
        digest: Digest::of_bytes(content),
        size: content.len() as u64,
        source_date_epoch: 0,
        packages: Vec::new(),
        registries: BTreeMap::new(),
    };
    store.insert(&file, manifest).unwrap()
}

fn tamper(image: &Image, content: &[u8]) {
    fs::set_permissions(&image.path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&image.path, padded(content)).unwrap();
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn what_goes_in_comes_out() {
    let (_folder, store) = store();
    let image = put(&store, "tiny", b"content");
    let found = store.resolve(&name("tiny")).unwrap();
    assert_eq!((found.path.clone(), found.manifest), (image.path, image.manifest));
    assert_eq!(fs::read(found.path).unwrap(), padded(b"content"));
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn an_image_comes_with_its_tree() {
    let (folder, store) = store();
    let image = put(&store, "tiny", b"content");
    let sealed = store.sealed(image.clone(), &Stop::never()).unwrap();
    assert_eq!(store.root_hash(&image.manifest), Some(sealed.seal.root));
    let (tree, _) = crate::verity::grow(padded(b"content").as_slice(), &Stop::never()).unwrap();
    assert_eq!((fs::read(&sealed.tree).unwrap(), sealed.seal), (tree.bytes, tree.seal));
    store.remove(&name("tiny")).unwrap();
    assert_eq!(count(&folder.path().join("trees")), 0);
}

#[test]
fn an_image_from_before_there_were_trees_gets_its_own_once() {
    let (folder, store) = store();
    let image = put(&store, "tiny", b"content");
    let made = store.sealed(image.clone(), &Stop::never()).unwrap();
    fs::remove_dir_all(folder.path().join("trees")).unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.root_hash(&image.manifest), None);
    let again = store.sealed(image.clone(), &Stop::never()).unwrap();
    assert_eq!(again.seal, made.seal);
    let written = fs::metadata(&again.tree).unwrap().modified().unwrap();
    store.sealed(image.clone(), &Stop::never()).unwrap();
    assert_eq!(fs::metadata(&again.tree).unwrap().modified().unwrap(), written, "it is made once");
    // But never for what is not the image any more.
    fs::remove_file(store.seal(image.manifest.digest)).unwrap();
    tamper(&image, b"CONTENT");
    assert!(matches!(store.sealed(image, &Stop::never()), Err(StoreError::Altered { .. })));
}

#[test]
fn a_tree_that_is_not_the_images_is_refused() {
    let (_folder, store) = store();
    let image = put(&store, "tiny", &[7; 3 * crate::verity::BLOCK]);
    let other = put(&store, "other", &[8; 3 * crate::verity::BLOCK]);
    let sealed = |image: &Image| store.sealed(image.clone(), &Stop::never());
    let (tree, seal) = (store.tree(image.manifest.digest), store.seal(image.manifest.digest));
    let (bytes, text) = (fs::read(&tree).unwrap(), fs::read(&seal).unwrap());
    let foreign = fs::read(store.tree(other.manifest.digest)).unwrap();
    for wrong in [&foreign[..], &bytes[..bytes.len() - 1], &[]] {
        fs::write(&tree, wrong).unwrap();
        let error = sealed(&image).unwrap_err();
        assert!(matches!(error, StoreError::Tree { .. }), "{error}");
        assert!(error.remedy().contains("openshell image rm tiny"));
    }
    fs::write(&tree, &bytes).unwrap();
    for wrong in [&fs::read(store.seal(other.manifest.digest)).unwrap()[..], b"{}", b""] {
        fs::write(&seal, wrong).unwrap();
        assert!(matches!(sealed(&image), Err(StoreError::Tree { .. })));
    }
    let huge = String::from_utf8(text.clone())
        .unwrap()
        .replace("\"data_blocks\":3", "\"data_blocks\":18446744073709551615");
    fs::write(&seal, huge).unwrap();
    assert!(matches!(sealed(&image), Err(StoreError::Tree { .. })));
    fs::write(&seal, text).unwrap();
    sealed(&image).unwrap();
}

#[test]
fn an_unknown_name_says_so() {
    let (_folder, store) = store();
    let error = store.resolve(&name("nope")).unwrap_err();
    assert_eq!(error.to_string(), "there is no image named nope");
    assert!(matches!(store.remove(&name("nope")), Err(StoreError::Unknown(_))));
}

#[test]
fn an_altered_image_is_refused() {
    let (_folder, store) = store();
    let image = put(&store, "tiny", b"content");
    tamper(&image, b"CONTENT");
    for result in [store.resolve(&name("tiny")), store.verify(&name("tiny"))] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Altered { .. }), "{error}");
        assert!(error.remedy().contains("openshell image rm tiny"));
    }
}

#[test]
fn a_truncated_or_missing_image_is_refused() {
    let (_folder, store) = store();
    let image = put(&store, "tiny", b"content");
    fs::set_permissions(&image.path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&image.path, &padded(b"content")[1..]).unwrap();
    let error = store.resolve(&name("tiny")).unwrap_err();
    assert_eq!(error.to_string(), "image tiny is truncated: 4095 of 4096 bytes");
    fs::remove_file(&image.path).unwrap();
    assert!(matches!(store.resolve(&name("tiny")), Err(StoreError::Missing { .. })));
}

#[test]
fn a_damaged_manifest_is_refused_and_keeps_the_blobs() {
    let (folder, store) = store();
    put(&store, "tiny", b"content");
    put(&store, "base", b"other");
    fs::write(folder.path().join("names/tiny.json"), b"{\"version\":1").unwrap();
    assert!(matches!(store.resolve(&name("tiny")), Err(StoreError::Manifest { .. })));
    store.remove(&name("base")).unwrap();
    assert_eq!(count(&folder.path().join("blobs")), 2);
    store.remove(&name("tiny")).unwrap();
    assert_eq!(count(&folder.path().join("blobs")), 0);
}

#[test]
fn a_blob_lives_as_long_as_a_name() {
    let (folder, store) = store();
    put(&store, "one", b"same");
    put(&store, "two", b"same");
    assert_eq!(count(&folder.path().join("blobs")), 1);
    store.remove(&name("one")).unwrap();
    assert!(store.resolve(&name("two")).is_ok());
    put(&store, "two", b"newer");
    assert_eq!(count(&folder.path().join("blobs")), 1);
}

#[test]
fn nothing_of_a_build_that_stops_is_left() {
    let (folder, store) = store();
    let work = store.work().unwrap();
    fs::write(work.path("half"), b"half").unwrap();
    drop(work);
    assert_eq!(count(&folder.path().join("work")), 0);
}

#[test]
fn an_abandoned_work_folder_goes_and_a_used_one_stays() {
    let (folder, store) = store();
    let used = store.work().unwrap();
    let abandoned = folder.path().join("work/abandoned");
    fs::create_dir_all(abandoned.join("deep")).unwrap();
    fs::write(abandoned.join("lock"), b"").unwrap();
    Store::open(folder.path()).unwrap();
    assert!(!abandoned.exists());
    assert!(used.folder().is_dir());
}

#[test]
fn a_program_that_outlives_openshell_keeps_its_work_folder() {
    let (folder, store) = store();
    let orphaned = folder.path().join("work/orphaned");
    fs::create_dir(&orphaned).unwrap();
    let lock = locked(&orphaned.join("lock")).unwrap();
    let mut program = std::process::Command::new("sleep").arg("60").stdin(lock).spawn().unwrap();
    Store::open(folder.path()).unwrap();
    assert!(orphaned.is_dir());
    program.kill().unwrap();
    program.wait().unwrap();
    drop(Store::open(folder.path()).unwrap());
    assert!(!orphaned.exists());
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn an_image_is_hashed_again_only_when_its_file_was_touched() {
    let (folder, store) = store();
    let image = put(&store, "tiny", b"content");
    let stamp = folder.path().join("stamps").join(format!("{}.json", image.manifest.digest));
    assert!(!stamp.exists(), "the file is too young to be told from one written in the same tick");
    thread::sleep(std::time::Duration::from_millis(60));
    store.resolve(&name("tiny")).unwrap();
    assert!(stamp.exists());
    tamper(&image, b"CONTENT");
    assert!(matches!(store.resolve(&name("tiny")), Err(StoreError::Altered { .. })));
}

#[test]
fn one_name_is_built_by_one_at_a_time() {
    let (_folder, store) = store();
    let inside = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..20_u8 {
                    let _building = store.building(&name("tiny"), &crate::stop::Stop::never()).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    put(&store, "tiny", &[round]);
                    assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                }
            });
        }
    });
    assert!(store.resolve(&name("tiny")).is_ok());
}

#[test]
fn readers_always_find_a_whole_image() {
    let (_folder, store) = store();
    put(&store, "tiny", b"0");
    thread::scope(|scope| {
        let writer = scope.spawn(|| (1..100_u8).for_each(|round| drop(put(&store, "tiny", &[round; 3]))));
        while !writer.is_finished() {
            store.verify(&name("tiny")).unwrap();
        }
    });
    store.verify(&name("tiny")).unwrap();
}
