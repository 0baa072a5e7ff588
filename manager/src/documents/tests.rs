//! Documents that are read, and mistakes in naming them.

use std::os::unix::fs::symlink;

use super::*;
use crate::policy_files::PolicyFiles;
use crate::spec::Spec;

const PLAN: &str = "The second stage of the compressor is cooled by a closed loop of helium, which leaves the turbine at \
    four kelvin and is led back through the heat exchanger.";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.path("docs/deep")).unwrap();
        fs::write(home.path("plan.txt"), PLAN).unwrap();
        fs::write(home.path("docs/b.md"), PLAN.replace("helium", "neon")).unwrap();
        fs::write(home.path("docs/deep/a.md"), "Short.").unwrap();
        fs::write(home.path("docs/.hidden"), [0xff]).unwrap();
        symlink("../plan.txt", home.path("docs/linked.md")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn spec(&self, inference: &str) -> Result<Spec, Failure> {
        let file = self.path("agent.yaml");
        fs::write(
            &file,
            format!("version: 1\nname: a\nimage: base\ncommand: [x]\ninference:\n  {inference}\n"),
        )
        .unwrap();
        Spec::load(&file, &PolicyFiles::default())
    }

    /// Cause and remedy, without where the home is.
    fn refused(&self, inference: &str) -> String {
        let Failure { cause, remedy, .. } = self.spec(inference).unwrap_err();
        format!("{cause} | {remedy}").replace(&self.0.path().display().to_string(), ".")
    }
}

#[test]
fn what_is_named_is_read_and_kept_as_hashes() {
    let home = Home::new();
    let spec = home
        .spec("documents: [{name: plan, file: plan.txt}, {name: handbook, file: ./docs}]\n  rules: {property/plan: block}")
        .unwrap();
    let registered = spec.inference.as_ref().unwrap().registered();
    let names: Vec<&str> = registered.iter().map(|document| document.name.as_str()).collect();
    assert_eq!(names, ["plan", "handbook"]);
    assert_eq!(registered[0].prints, prints([PLAN]));
    assert_eq!(registered[1].prints, prints([PLAN.replace("helium", "neon").as_str()]));
    let believed = spec.believed();
    for file in ["plan.txt", "docs/b.md", "docs/deep/a.md"] {
        assert!(believed.iter().any(|path| path.ends_with(file)), "{file} in {believed:?}");
    }
    let text = spec.text().unwrap();
    assert!(text.contains(&Digest::of_bytes(PLAN.as_bytes()).to_string()), "{text}");
    assert!(!text.contains("helium") && !text.contains("prints"), "{text}");
}

#[test]
fn what_changed_is_another_configuration() {
    let home = Home::new();
    let named = "documents: [{name: plan, file: plan.txt}]";
    let before = home.spec(named).unwrap().text().unwrap();
    let pinned =
        format!("documents: [{{name: plan, file: plan.txt, sha256: {}}}]", Digest::of_bytes(PLAN.as_bytes()));
    assert!(home.spec(&pinned).is_ok());
    fs::write(home.path("plan.txt"), PLAN.replace("four", "five")).unwrap();
    assert_ne!(home.spec(named).unwrap().text().unwrap(), before);
    let refused = home.refused(&pinned);
    assert!(refused.contains("./plan.txt is not what its sha256 says"), "{refused}");
}

#[test]
fn a_directory_is_known_by_its_texts_and_not_by_what_they_are_together() {
    let home = Home::new();
    let spec = |name: &str, texts: &[(&str, &str)]| {
        fs::create_dir(home.path(name)).unwrap();
        texts.iter().for_each(|(file, text)| fs::write(home.path(name).join(file), text).unwrap());
        home.spec(&format!("documents: [{{name: plan, file: {name}}}]")).unwrap()
    };
    let digest = |spec: &Spec| spec.inference.as_ref().unwrap().documents[0].sha256;
    let twice = PLAN.repeat(2);
    let whole = spec("whole", &[("a", &twice)]);
    let parts = spec("parts", &[("a", PLAN), ("b", PLAN)]);
    let again = spec("again", &[("a", &twice)]);
    assert_eq!(digest(&whole), digest(&again));
    assert_ne!(digest(&whole), digest(&parts));
}

#[test]
fn a_mistake_is_told_with_its_line() {
    let home = Home::new();
    fs::write(home.path("empty.txt"), "").unwrap();
    fs::write(home.path("short.txt"), "Project Bluebird ships in May.").unwrap();
    fs::write(home.path("latin.txt"), b"Stra\xdfe").unwrap();
    fs::write(home.path("paper.pdf"), format!("%PDF-1.4\n{PLAN}")).unwrap();
    fs::write(home.path("large.txt"), "x".repeat(MOST_BYTES + 1)).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        home.path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    fs::create_dir(home.path("nothing")).unwrap();
    for (file, cause, remedy) in [
        ("none.txt", "cannot read ./none.txt: No such file", "name a text file"),
        ("empty.txt", "'second' has too little text", "91 letters"),
        ("short.txt", "'second' has too little text", "91 letters"),
        ("nothing", "'second' has too little text", "91 letters"),
        ("latin.txt", "./latin.txt is no plain text", "pdftotext"),
        ("paper.pdf", "./paper.pdf is no plain text", "pdftotext"),
        ("large.txt", "with ./large.txt the documents are more than 8 MiB", "the parts that must not leave"),
        ("pipe", "cannot read ./pipe: it is no file", "name a text file"),
    ] {
        let refused = home.refused(&format!(
            "documents:\n    - {{name: plan, file: plan.txt}}\n    - {{name: second, file: {file}}}"
        ));
        let told = format!("./agent.yaml:8:7: inference.documents[1]: {cause}");
        assert!(refused.contains(&told) && refused.contains(remedy), "{refused}");
    }
    let refused = home.refused("documents: [{name: My Plan, file: plan.txt}]");
    assert!(refused.contains("'My Plan' is no name of a kind"), "{refused}");
    let refused = home.refused("documents: [{name: plan, file: plan.txt}]\n  rules: {property/plam: block}");
    assert!(refused.contains("did you mean 'property/plan'?"), "{refused}");
    let refused = home.refused("documents: [{name: plan, flie: plan.txt}]");
    assert!(refused.contains("flie") && refused.contains("file"), "{refused}");
}

#[test]
fn files_are_counted() {
    let home = Home::new();
    for number in 0..=MOST_ENTRIES {
        fs::write(home.path(&format!("docs/{number}.txt")), PLAN).unwrap();
    }
    let refused = home.refused("documents: [{name: handbook, file: docs}]");
    assert!(refused.contains("one file more than the 128"), "{refused}");
    let mut deep = home.path("well");
    (0..=DEEPEST).for_each(|_level| deep.push("d"));
    fs::create_dir_all(&deep).unwrap();
    let refused = home.refused("documents: [{name: well, file: well}]");
    assert!(refused.contains("more than 16 directories deep"), "{refused}");
}

#[test]
fn files_that_are_named_on_the_command_line_are_one_document() {
    let home = Home::new();
    let loaded = load(&[home.path("plan.txt"), home.path("docs")], "document").unwrap();
    assert!(loaded.iter().all(|document| document.name == "document" && !document.prints.is_empty()));
    fs::write(home.path("plan.txt"), "short").unwrap();
    let failure = load(&[home.path("docs"), home.path("plan.txt")], "document").unwrap_err();
    assert!(failure.cause.contains("plan.txt: 'document' has too little text"), "{failure:?}");
}
