//! Room for outcomes: a call waits for it, and what has room is told.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use wire::id::SandboxId;

use super::*;

/// An audit writer that gives `replies`, one to each event, and then is gone.
fn writer(replies: &'static [&'static [u8]]) -> Writer {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        for reply in replies {
            let mut prefix = [0; 4];
            theirs.read_exact(&mut prefix).unwrap();
            theirs.read_exact(&mut vec![0; u32::from_le_bytes(prefix) as usize]).unwrap();
            let length = u32::try_from(reply.len()).unwrap().to_le_bytes();
            theirs.write_all(&[&length[..], reply].concat()).unwrap();
        }
    });
    Writer::new(ours).unwrap()
}

fn started() -> Started {
    let conditions = "sensitive=pass providers=local,cloud".parse();
    let Ok(conditions) = conditions else { panic!("these conditions are well formed") };
    Started {
        context: Context {
            sandbox: SandboxId::try_from("box-1".to_owned()).unwrap(),
            request: wire::id::RequestId("r-1".to_owned()),
            subject: serde_json::from_str(r#"{"unknown":"x"}"#).unwrap(),
            flow: wire::id::FlowId(1),
            policy: wire::id::PolicyVersion(1),
            host: "inference.local".to_owned(),
            conditions,
        },
        zone: Zone::Cloud,
        place: Place { server: "cloud".to_owned(), region: None },
        asked: ModelName::default(),
        since: Instant::now(),
    }
}

#[tokio::test]
async fn a_call_waits_until_the_outcome_of_an_earlier_one_is_on_the_disk() {
    let (trail, drain) = Trail::with_room(writer(&[&[1; 40], &[1; 40]]), 1);
    let first = trail.due().await.unwrap();
    let next = trail.clone();
    let mut second = Box::pin(async move { next.due().await });
    tokio::select! {
        biased;
        _room = &mut second => panic!("there is room for one"),
        () = tokio::task::yield_now() => {}
    }
    first.tell(&started(), "complete", Ended::default());
    let drain = tokio::spawn(drain);
    second.await.unwrap().tell(&started(), "complete", Ended::default());
    drop(trail);
    drain.await.unwrap().unwrap();
}

#[tokio::test]
async fn after_an_outcome_that_was_not_recorded_no_call_gets_room() {
    let (trail, drain) = Trail::new(writer(&[b"\0the disk is full"]));
    trail.due().await.unwrap().tell(&started(), "complete", Ended::default());
    assert!(matches!(drain.await, Err(TrailError::Writer(AppendError::Refused(_)))));
    assert!(matches!(trail.due().await, Err(TrailError::Over)));
}
