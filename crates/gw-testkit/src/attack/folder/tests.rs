use std::{
    cell::Cell,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixListener,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use super::*;

/// What a process under test does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Accepts,
    WritesAGeneration,
    ServesAnother,
    SaysNothing,
    SaysMore,
    SaysAnother,
    TellsASecret,
    WritesASecret,
    TakesNothingMore,
}

const SECRET: &str = "a canary that sings";

/// Answers every connection with the number that is served.
fn socket(folder: &Path, number: Arc<AtomicU64>) {
    let listener = UnixListener::bind(folder.join("gateway.sock")).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let body = format!("{{\"serving\":{{\"number\":{}}}}}", number.load(SeqCst));
            let mut stream = stream.unwrap();
            BufReader::new(&stream).lines().map_while(Result::ok).any(|line| line.is_empty());
            // Whoever asked may have seen enough.
            stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes()).ok();
        }
    });
}

/// A process just large enough to attack: it takes the text `good` and nothing else.
fn attack_with(fault: Fault) -> bool {
    let workspace = TempWorkspace::of(&[("shop/a.yaml", "good"), ("target/current", "1")]);
    let target = workspace.path("target");
    let number = Arc::new(AtomicU64::new(1));
    socket(&target, Arc::clone(&number));
    let attacked = Cell::new(false);
    let read = || {
        let good = workspace.read("shop/a.yaml") == "good";
        let accepted = good && !(fault == Fault::TakesNothingMore && attacked.get());
        attacked.set(true);
        if accepted {
            number.fetch_add(1, SeqCst);
            return Said { accepted, words: "taken".to_owned() };
        }
        match fault {
            Fault::WritesAGeneration => workspace.write("target/generations/2.json", "{}"),
            Fault::ServesAnother => drop(number.fetch_add(1, SeqCst)),
            Fault::WritesASecret => workspace.write("target/log", SECRET),
            _ => {}
        }
        let words = match fault {
            Fault::SaysNothing => "error: no",
            Fault::SaysMore => "error[GW1003]: no\nwarning[GW2000]: no",
            Fault::SaysAnother => "error[GW1004]: no",
            Fault::TellsASecret => "error[GW1003]: a canary that sings",
            _ => "error[GW1003]: no",
        };
        Said { accepted: fault == Fault::Accepts, words: words.to_owned() }
    };
    let mend = |file: &str| workspace.replace(file, b"good");
    let bench =
        Bench { workspace: &workspace, target: &target, written: vec![], read: &read, mend: &mend };
    let hostile = Attack {
        name: "t",
        file: "shop/a.yaml",
        bytes: b"hostile",
        code: "GW1003",
        secrets: &[SECRET],
    };
    catch_unwind(AssertUnwindSafe(|| drop(attack(&bench, &hostile)))).is_ok()
}

/// The helper is worth something only if it notices each thing that it is there for.
#[test]
fn each_of_the_four_is_noticed() {
    assert!(attack_with(Fault::None));
    for fault in [
        Fault::Accepts,
        Fault::WritesAGeneration,
        Fault::ServesAnother,
        Fault::SaysNothing,
        Fault::SaysMore,
        Fault::SaysAnother,
        Fault::TellsASecret,
        Fault::WritesASecret,
        Fault::TakesNothingMore,
    ] {
        assert!(!attack_with(fault), "{fault:?} was not noticed");
    }
}
