//! Makes every attempt of the suite behind no wall, behind all of them, behind all but one, and behind one alone, and compares
//! what happens with the suite's table. The walls are the ones that ship, put up one by one. Needs root; a user with sudo gets there
//! by himself. Nothing is made or removed outside of memory, and the kernel's settings are put back.

#![expect(
    unsafe_code,
    reason = "namespaces, sockets without a library and handles of files are raw system calls"
)]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program without the test harness")]

#[path = "walls/scene.rs"]
mod scene;
#[path = "walls/settings.rs"]
mod settings;
#[path = "walls/standing.rs"]
mod standing;

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use isolation::{Attempt, Wall, attempts};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use scene::{Kernel, Scene, Stood};

/// What a refused attempt sees.
const REFUSALS: [Errno; 12] = [
    Errno::PERM,
    Errno::ACCESS,
    Errno::NOENT,
    Errno::ROFS,
    Errno::SRCH,
    Errno::NOSYS,
    Errno::CONNREFUSED,
    Errno::NETUNREACH,
    Errno::AGAIN,
    Errno::MFILE,
    Errno::IO,
    Errno::NOSPC,
];

/// A kernel that cannot enforce the rules confines nobody, rather than half.
const KERNELS: [(&str, Kernel, Stood); 3] = [
    ("with Landlock", Kernel::AsItIs, Stood::Up),
    ("built without Landlock", Kernel::Answers(Errno::NOSYS), Stood::Refused),
    ("whose Landlock is turned off", Kernel::Answers(Errno::OPNOTSUPP), Stood::Refused),
];

/// Which walls stand, in words.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    standing: Vec<Wall>,
    ended: BTreeMap<String, i32>,
}

fn main() -> ExitCode {
    if !rustix::process::geteuid().is_root() {
        let error = Command::new("sudo").arg("-n").arg(std::env::current_exe().unwrap()).exec();
        println!("test walls ... FAILED: needs root, and sudo cannot be had: {error}");
        return ExitCode::FAILURE;
    }
    let own = rustix::thread::capabilities(None).unwrap().effective;
    if !own.contains(CapabilitySet::SYS_RESOURCE | CapabilitySet::SYS_MODULE | CapabilitySet::SYS_RAWIO) {
        println!(
            "test walls ... FAILED: root has not every capability here: use cargo xtask lab --root -- PROGRAM"
        );
        return ExitCode::FAILURE;
    }
    scene::alone(|| {
        let scene = Scene::set();
        let mut cases = cases();
        let settings = settings::Settings::weaken();
        for case in &mut cases {
            settings.hold(case.standing.contains(&Wall::Settings));
            case.ended = scene.attempts(&case.standing);
        }
        drop(settings);
        let mut failures = 0;
        for attempt in attempts::all() {
            failures += report(&format!("attempt {}", attempt.name), &wrong(attempt, &cases));
        }
        for (name, kernel, expected) in KERNELS {
            let stood = scene.landlock(kernel);
            let wrong = if stood == expected { String::new() } else { format!("{stood:?}") };
            failures += report(&format!("kernel {name}"), &wrong);
        }
        // As the other programs say it: who counts tests reads it.
        let (all, state) =
            (attempts::all().count() + KERNELS.len(), if failures == 0 { "ok" } else { "FAILED" });
        println!("test result: {state}. {} passed; {failures} failed", all - usize::from(failures));
        failures
    })
}

fn report(name: &str, wrong: &str) -> u8 {
    if wrong.is_empty() {
        println!("test {name} ... ok");
        return 0;
    }
    println!("test {name} ... FAILED: {wrong}");
    1
}

fn cases() -> Vec<Case> {
    let case = |name: String, standing: Vec<Wall>| Case { name, standing, ended: BTreeMap::new() };
    let mut cases =
        vec![case("no wall".to_owned(), Vec::new()), case("every wall".to_owned(), Wall::ALL.to_vec())];
    for one in Wall::ALL {
        let others = Wall::ALL.into_iter().filter(|wall| *wall != one).collect();
        cases.push(case(format!("without {one:?}"), others));
        cases.push(case(format!("{one:?} alone"), vec![one]));
    }
    cases
}

/// Where the kernel and the table disagree, and where the table does not say why a wall is the last one.
fn wrong(attempt: &Attempt, cases: &[Case]) -> String {
    let mut wrong: Vec<String> = cases.iter().filter_map(|case| disagreement(attempt, case)).collect();
    let last = attempt.last_walls();
    if last.is_empty() != attempt.alone.is_empty() {
        wrong.push(format!("last walls are {last:?}, and the table says '{}'", attempt.alone));
    }
    wrong.join("; ")
}

fn disagreement(attempt: &Attempt, case: &Case) -> Option<String> {
    let Some(ended) = case.ended.get(attempt.name) else {
        return Some(format!("{}: it was not made", case.name));
    };
    let refused = REFUSALS.iter().any(|error| error.raw_os_error() == *ended) || *ended == -libc::SIGSYS;
    let agrees = if attempt.is_held_by(&case.standing) { refused } else { *ended == 0 };
    (!agrees).then(|| {
        let how = if *ended > 0 { Errno::from_raw_os_error(*ended).to_string() } else { ended.to_string() };
        format!("{}: {}", case.name, if *ended == 0 { "it worked".to_owned() } else { how })
    })
}
