//! A host that fails, in every way in which hosts do.

use gw_plan::driver::Class;
use gw_testkit::git::host::Fault;

use super::*;

/// A fault, what is told of it and what comes next.
fn faults() -> Vec<(Fault, &'static str, Class)> {
    let elsewhere =
        vec![("location", "https://user:secret@elsewhere.test/x?token=secret".to_owned())];
    let ask_later = vec![("retry-after", "7".to_owned())];
    vec![
        (
            Fault::Status(503, vec![]),
            "the Git host answers 503: it cannot serve anybody now",
            Class::Wait,
        ),
        (
            Fault::Status(500, vec![]),
            "the Git host answers 500: it cannot serve anybody now",
            Class::Wait,
        ),
        (
            Fault::Status(429, ask_later),
            "the Git host wants to be asked less often",
            Class::Retry { after_ms: 7_000 },
        ),
        (
            Fault::Status(429, vec![]),
            "the Git host wants to be asked less often",
            Class::Retry { after_ms: 60_000 },
        ),
        (
            Fault::Status(401, vec![]),
            "the Git host refuses our credential: it answers 401",
            Class::Human,
        ),
        (
            Fault::Status(403, vec![]),
            "the Git host refuses our credential: it answers 403",
            Class::Human,
        ),
        (Fault::Status(404, vec![]), "the Git host knows no such repository", Class::Human),
        (
            Fault::Status(301, elsewhere),
            "the Git host sends us elsewhere, to `https://elsewhere.test/x`",
            Class::Human,
        ),
        (
            Fault::Status(200, vec![("content-type", "text/html".to_owned())]),
            "what answers is no Git host: it answers something else than Git asks for",
            Class::Human,
        ),
        (
            Fault::Bytes(b"<html>".to_vec()),
            "what answers is no Git host: it does not speak in the lines of Git",
            Class::Human,
        ),
        (
            Fault::Bytes(b"0000".to_vec()),
            "what answers is no Git host: it announces nothing",
            Class::Human,
        ),
        (
            Fault::Bytes(b"0020ERR the disk is full, sorry\n".to_vec()),
            "the Git host says: the disk is full, sorry",
            Class::Wait,
        ),
        (
            Fault::Bytes(b"000eversion 2\n".to_vec()),
            "what the Git host sent is not whole: it ends too early",
            Class::Wait,
        ),
    ]
}

#[tokio::test]
async fn a_fault_is_told_and_the_last_good_view_stays() {
    let bench = Bench::new();
    let first = bench.repository.push("main", FILES);
    let repository = bench.open(Caps::default());
    fetch(&repository).await.unwrap();
    let second = bench.repository.push("main", &FILES[1..]);
    for (fault, told, class) in faults() {
        bench.host.break_by(Some(fault.clone()));
        let refused = fetch(&repository).await.unwrap_err();
        assert_eq!((refused.to_string().as_str(), refused.class()), (told, class), "{fault:?}");
        assert_eq!(repository.view().unwrap().branches()["main"], id(&first));
    }
    bench.host.break_by(None);
    assert_eq!(fetch(&repository).await.unwrap().view.branches()["main"], id(&second));
}

#[tokio::test]
async fn no_part_of_a_pack_is_ever_a_part_of_a_view() {
    let bench = Bench::new();
    let first = bench.repository.push("main", &[("a.yaml", "a")]);
    let repository = bench.open(Caps::default());
    fetch(&repository).await.unwrap();
    let second = bench.repository.push("main", &[("a.yaml", &noise(1, 2_000)), ("b.yaml", "b")]);
    let broken = (0..24).map(|step| Fault::Cut(step * 31));
    let broken = broken.chain((0..24).map(|step| Fault::Flip(step * 29)));
    for fault in broken.chain([Fault::Close]) {
        bench.host.break_by(Some(fault.clone()));
        let refused = fetch(&repository).await.unwrap_err();
        assert_eq!(refused.class(), Class::Wait, "{fault:?}: {refused}");
        let view = repository.view().unwrap();
        assert_eq!(view.branches()["main"], id(&first), "{fault:?}");
        assert!(view.tree(&id(&first)).is_ok(), "{fault:?}");
        assert!(!view.objects.has(&id(&second)), "{fault:?}");
    }
    bench.host.break_by(None);
    let view = fetch(&repository).await.unwrap().view;
    assert_eq!(view.tree(&id(&second)).unwrap().read("b.yaml").unwrap(), b"b");
    // Nothing that was half done is left.
    let left = fs::read_dir(bench.copy.path()).unwrap().flatten();
    let left: Vec<_> =
        left.filter(|it| it.file_name().to_string_lossy().contains("incoming")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_a_host_could_not_send_of_a_branch_is_asked_for_again() {
    let bench = Bench::new();
    bench.repository.push("main", FILES);
    let time = Duration::from_secs(6);
    let repository = bench.open(Caps { time, ..Caps::default() });
    fetch(&repository).await.unwrap();
    let work = bench.repository.push("work", &FILES[1..]);
    let left_out = async |fault: Option<Fault>| {
        bench.host.break_by(fault);
        let view = fetch(&repository).await.unwrap().view;
        assert!(view.branches().contains_key("main"));
        view.passed_over("refs/heads/work").map(|it| (it.at, it.why.class()))
    };
    let again = Some((None, Class::Wait));
    for _ in 0..4 {
        assert_eq!(left_out(Some(Fault::Cut(40))).await, again);
    }
    assert_eq!(left_out(None).await, None);
    assert_eq!(repository.view().unwrap().branches()["work"], id(&work));

    // What is slow each time is left alone until it is something else. The older protocol announces
    // everything before it is asked.
    bench.host.speak_of_old();
    let slow = bench.repository.push("work", &FILES[2..]);
    for _ in 0..2 {
        assert_eq!(left_out(Some(Fault::Silent)).await, again);
    }
    let at_last = Some((Some(id(&slow)), Class::Wait));
    assert_eq!(left_out(Some(Fault::Silent)).await, at_last);
    assert_eq!(left_out(None).await, at_last);
    bench.repository.push("work", &FILES[3..]);
    assert_eq!(left_out(None).await, None);
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_left_in_time() {
    let bench = Bench::new();
    bench.repository.push("main", FILES);
    let time = Duration::from_millis(300);
    let repository = bench.open(Caps { time, ..Caps::default() });
    bench.host.break_by(Some(Fault::Silent));
    let refused = fetch(&repository).await.unwrap_err();
    let in_time = matches!(&refused, GitError::TooSlow { .. } | GitError::Unreachable { .. });
    assert!(in_time && refused.class() == Class::Wait, "{refused}");
    assert!(repository.view().is_none());
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_nobody_there_learns_the_token() {
    let (bench, elsewhere) = (Bench::new(), Bench::new());
    elsewhere.repository.push("main", FILES);
    for status in [301, 302, 303, 307, 308] {
        let to = format!("{}/info/refs?service=git-upload-pack", elsewhere.host.url(REPOSITORY));
        bench.host.break_by(Some(Fault::Status(status, vec![("location", to)])));
        let repository = bench.open(Caps::default());
        let refused = repository
            .fetch(&token("x-token-auth", "secret"), &Wanted::default())
            .await
            .unwrap_err();
        assert!(matches!(refused, GitError::Moved { to: Some(_) }), "{status}: {refused}");
        assert!(!format!("{refused:?} {refused}").contains("secret"));
    }
    assert!(elsewhere.host.asked().is_empty());
}
