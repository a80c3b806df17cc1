use std::{io, net::TcpListener, thread};

use super::*;
use crate::wire::{exchange, read_head};

/// What a gateway under test does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    ForwardsTheAttack,
    KeepsNoRecord,
    KeepsTwoRecords,
    RecordsAnotherReason,
    EchoesTheToken,
    LogsTheToken,
    DiesAfterwards,
}

/// A gateway just large enough to attack: `/good` is sent on, everything else is refused.
fn gateway(fault: Fault, backend: SocketAddr, folder: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || -> io::Result<()> {
        for stream in listener.incoming() {
            let (mut stream, mut unread) = (stream?, Vec::new());
            while let Some(head) = read_head(&mut stream, &mut unread)? {
                if head.starts_with("GET /good ") || fault == Fault::ForwardsTheAttack {
                    exchange(backend, b"GET /good HTTP/1.1\r\nhost: b\r\n\r\n")?;
                }
                let good = head.starts_with("GET /good ");
                if good && fault == Fault::DiesAfterwards {
                    return Ok(());
                }
                refuse_or_allow(&folder, fault, good, &head)?;
                let (status, said) = if good { (200, "") } else { (401, head.as_str()) };
                let said = if fault == Fault::EchoesTheToken { said } else { "" };
                let length = said.len();
                let answer =
                    format!("HTTP/1.1 {status} A\r\ncontent-length: {length}\r\n\r\n{said}");
                io::Write::write_all(&mut stream, answer.as_bytes())?;
            }
        }
        Ok(())
    });
    address
}

fn refuse_or_allow(folder: &Path, fault: Fault, good: bool, head: &str) -> io::Result<()> {
    let reason = match (good, fault) {
        (true, _) => "granted",
        (false, Fault::RecordsAnotherReason) => "other",
        (false, _) => "token_refused",
    };
    let times = match fault {
        Fault::KeepsNoRecord => 0,
        Fault::KeepsTwoRecords => 2,
        _ => 1,
    };
    let detail = if fault == Fault::LogsTheToken { head } else { "" };
    let line = format!("{}\n", serde_json::json!({"reason": reason, "detail": detail}));
    let file = folder.join("decisions/1.jsonl");
    let before = fs::read_to_string(&file).unwrap_or_default();
    fs::write(file, before + &line.repeat(times))
}

fn attack_with(fault: Fault) -> bool {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("decisions")).unwrap();
    let backend = Backend::start();
    let gateway = gateway(fault, backend.address(), folder.path().to_owned());
    let good = Request::with_headers("/good", &[]);
    let path = folder.path().to_owned();
    let test = thread::spawn(move || {
        let bench = Bench { gateway, backend: &backend, folder: &path, written: vec![], good };
        let request = Request::with_token("/attack", "eyJhbGciOiJub25lIn0.c29tZSBjbGFpbXMgaGVyZQ.");
        attack(&bench, &Attack { name: "t", request, status: 401, reason: "token_refused" });
    });
    test.join().is_ok()
}

/// The helper is worth something only if it notices each thing that it is there for.
#[test]
fn each_of_the_four_is_noticed() {
    assert!(attack_with(Fault::None));
    for fault in [
        Fault::ForwardsTheAttack,
        Fault::KeepsNoRecord,
        Fault::KeepsTwoRecords,
        Fault::RecordsAnotherReason,
        Fault::EchoesTheToken,
        Fault::LogsTheToken,
        Fault::DiesAfterwards,
    ] {
        assert!(!attack_with(fault), "{fault:?} was not noticed");
    }
}
