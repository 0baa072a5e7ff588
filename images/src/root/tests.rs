use std::os::unix::fs::symlink;

use super::*;
use crate::tool::Tool;

const DUMP: Tool = Tool { program: "dump.erofs", package: "erofs-utils" };

struct Bench {
    folder: tempfile::TempDir,
    store: Store,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    Bench { folder, store }
}

impl Bench {
    fn parse(&self, text: &str) -> Result<Reference, RootError> {
        Reference::parse(text, self.folder.path())
    }

    fn open(&self, text: &str) -> Result<Root, RootError> {
        self.parse(text)?.open(&self.store, &mut |_| {}, &Stop::never())
    }

    fn tree(&self) {
        for folder in ["rootfs", "rootfs/bin", "rootfs/etc"] {
            fs::create_dir(self.folder.path().join(folder)).unwrap();
        }
        symlink("busybox", self.folder.path().join("rootfs/bin/sh")).unwrap();
    }
}

#[test]
fn names_are_names_and_paths_are_paths() {
    let bench = bench();
    bench.tree();
    assert_eq!(bench.parse("base").unwrap(), Reference::Name("base".parse().unwrap()));
    assert_eq!(bench.parse("./rootfs").unwrap(), Reference::Tree(bench.folder.path().join("rootfs")));
    let error = bench.open("bsae").unwrap_err();
    assert_eq!(error.to_string(), "there is no image named bsae; there are: base, tiny");
}

#[test]
fn what_is_no_image_is_refused_with_the_reason() {
    let bench = bench();
    fs::write(bench.folder.path().join("notes.txt"), b"not an image").unwrap();
    fs::create_dir_all(bench.folder.path().join("layout/blobs")).unwrap();
    fs::write(bench.folder.path().join("layout/oci-layout"), b"{}").unwrap();
    fs::create_dir(bench.folder.path().join("empty")).unwrap();
    let refused = |text: &str| bench.parse(text).unwrap_err();
    assert!(matches!(refused("./notes.txt"), RootError::NotErofs { .. }));
    assert!(matches!(refused("./layout"), RootError::Container { .. }));
    assert!(matches!(refused("registry.example/team/image:1.2"), RootError::Container { .. }));
    assert!(matches!(refused("python:3.12"), RootError::Container { .. }));
    assert!(matches!(refused("docker://image"), RootError::Container { .. }));
    assert!(matches!(refused("./gone"), RootError::Path { .. }));
    assert!(matches!(refused("./empty"), RootError::NotRoot { missing: "bin", .. }));
    assert!(matches!(refused(""), RootError::Empty));
}

#[test]
fn a_root_tree_is_packed_once() {
    let bench = bench();
    bench.tree();
    let first = bench.open("./rootfs").unwrap();
    let again = bench.open("./rootfs").unwrap();
    assert_eq!(first.path(), again.path());
    fs::write(bench.folder.path().join("rootfs/etc/motd"), b"changed").unwrap();
    assert_ne!(bench.open("./rootfs").unwrap().path(), first.path());
    assert_eq!(bench.store.list().unwrap().len(), 2);
}

/// Whoever writes the store can make blob, tree, root hash and manifest agree; not with what agent.yaml says.
#[test]
fn an_image_that_is_replaced_whole_is_not_the_one_that_was_asked_for() {
    let bench = bench();
    bench.tree();
    let Root::Stored(first) = bench.open("./rootfs").unwrap() else { panic!("a packed tree is stored") };
    fs::write(bench.folder.path().join("rootfs/etc/motd"), b"forged").unwrap();
    let Root::Stored(forged) = bench.open("./rootfs").unwrap() else { panic!("a packed tree is stored") };
    let text = format!("base@verity:{}", first.seal.root);
    let (image, wanted) = pinned(&text).unwrap();
    assert_eq!((image, wanted), ("base", Some(first.seal.root)));
    assert_eq!((pin("base", &first.seal.root), pin(&text, &first.seal.root)), (text.clone(), text.clone()));
    admit(wanted, &first.seal).unwrap();
    let error = admit(wanted, &forged.seal).unwrap_err();
    assert!(matches!(error, RootError::Other { .. }), "{error}");
    admit(None, &forged.seal).unwrap();
    assert_eq!(pinned("./a/b").unwrap(), ("./a/b", None));
    assert!(matches!(pinned("base@verity:"), Err(RootError::Pin(_))));
    assert!(matches!(
        pinned(&text.to_uppercase().replace("BASE@VERITY", "base@verity")),
        Err(RootError::Pin(_))
    ));
}

#[test]
fn an_erofs_file_is_used_where_it_is_and_a_cut_one_is_refused() {
    let bench = bench();
    bench.tree();
    let path = bench.folder.path().join("given.erofs");
    fs::copy(bench.open("./rootfs").unwrap().path(), &path).unwrap();
    assert_eq!(bench.open("./given.erofs").unwrap().path(), bench.folder.path().join("given.erofs"));
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(bench.open("./given.erofs"), Err(RootError::Truncated { .. })));
}

/// Fetches a package of one megabyte: this machine's apt sources must answer.
#[test]
fn tiny_is_small_complete_and_the_same_every_time() {
    let name: ImageName = "tiny".parse().unwrap();
    let images = [bench(), bench()].map(|bench| {
        let mut steps = Vec::new();
        let image =
            build(&name, &bench.store, &mut |step| steps.push(step.to_owned()), &Stop::never()).unwrap();
        assert!(steps.iter().any(|step| step == "packing the image"), "{steps:?}");
        assert_eq!(fs::read_dir(bench.folder.path().join("store/work")).unwrap().count(), 0);
        (bench, image)
    });
    let [(_, one), (bench, two)] = &images;
    assert_eq!(one.manifest.digest, two.manifest.digest);
    assert!(two.manifest.size < 4 << 20);
    assert_eq!(two.manifest.packages[0].name, "busybox-static");
    assert!(two.manifest.registries.contains_key("debian"));
    assert_eq!(bench.open("tiny").unwrap().path(), two.path, "it is not built a second time");

    let path = |path: &str| {
        let arguments = [std::ffi::OsString::from(format!("--path={path}")), two.path.clone().into()];
        String::from_utf8(DUMP.run(arguments).unwrap()).unwrap()
    };
    assert!(path("/home/agent").contains("Uid: 1000   Gid: 1000"));
    assert!(path("/bin/busybox").contains("Uid: 0   Gid: 0"));
    for link in ["/bin/sh", "/usr/bin/wget", "/sbin/ip"] {
        assert!(path(link).contains("symlink"), "{link}");
    }
}

#[test]
fn a_damaged_stored_image_is_refused_and_can_be_made_again() {
    let bench = bench();
    bench.tree();
    let root = bench.open("./rootfs").unwrap();
    fs::remove_file(root.path()).unwrap();
    let error = bench.open("./rootfs").unwrap_err();
    assert!(error.remedy().contains("openshell image rm tree-"), "{}", error.remedy());
    let Root::Stored(sealed) = &root else { panic!("a packed tree is stored") };
    bench.store.remove(&sealed.image.manifest.name).unwrap();
    bench.open("./rootfs").unwrap();
    let sound = Tool { program: "fsck.erofs", package: "erofs-utils" };
    sound.run([root.path()]).unwrap();
}
