use gw_testkit::git::GitRepository;
use proptest::prelude::*;

use super::*;

static NEVER: AtomicBool = AtomicBool::new(false);

fn weigh_bytes(bytes: &[u8], caps: &Caps) -> Result<(), GitError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    weigh(file.path(), caps, &NEVER)
}

fn told(bytes: &[u8]) -> String {
    weigh_bytes(bytes, &Caps::default()).unwrap_err().to_string()
}

/// A pack of objects that are given as they stand in it.
fn pack(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"PACK\0\0\0\x02".to_vec();
    bytes.extend(u32::try_from(objects.len()).unwrap().to_be_bytes());
    bytes.extend(objects.concat());
    bytes.extend([0; 20]);
    bytes
}

fn object(kind: u8, size: u64, between: &[u8], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![(kind << 4) | u8::try_from(size & 15).unwrap()];
    let mut rest = size >> 4;
    while rest > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push(u8::try_from(rest & 0x7f).unwrap());
        rest >>= 7;
    }
    bytes.extend(between);
    bytes.extend(stored(content));
    bytes
}

/// A stream of zlib that holds its bytes as they are.
fn stored(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let mut bytes = vec![0x78, 0x01, 0x01];
    bytes.extend(length.to_le_bytes());
    bytes.extend((!length).to_le_bytes());
    bytes.extend(content);
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in content {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    bytes.extend(((high << 16) | low).to_be_bytes());
    bytes
}

/// The two sizes with which a difference begins.
fn sizes(base: u64, result: u64) -> Vec<u8> {
    let mut bytes = vec![];
    for mut size in [base, result] {
        while size >= 0x80 {
            bytes.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
            size >>= 7;
        }
        bytes.push(u8::try_from(size).unwrap());
    }
    bytes
}

const BLOB: u8 = 3;

#[test]
fn what_git_packs_weighs_nothing_and_differences_stand_behind_what_they_differ_from() {
    let git = GitRepository::new();
    let lines =
        |last: &str| (0..400).map(|line| format!("line {line}\n")).collect::<String>() + last;
    for last in ["a", "b", "c", "d"] {
        git.push("main", &[("a.yaml", &lines(last))]);
    }
    let by_place = git.pack(&[], &["--all", "--delta-base-offset"]);
    assert!(weigh_bytes(&by_place, &Caps::default()).is_ok());
    let small = Caps { chain_bytes: 5_000, ..Caps::default() };
    let refused = weigh_bytes(&by_place, &small).unwrap_err();
    assert!(matches!(refused, GitError::TooLarge(Excess::Chain { .. })), "{refused}");
    // The digests at the end, of the last object and of the whole, are not looked at here.
    let end = by_place.len() - 24;
    for length in (0..end).step_by(7) {
        let refused = weigh_bytes(&by_place[..length], &Caps::default()).unwrap_err();
        assert!(matches!(refused, GitError::Broken { .. }), "{length}: {refused}");
    }
    let by_name = git.pack(&[], &["--all"]);
    assert!(told(&by_name).ends_with("a difference from an object by its name"));
}

#[test]
fn what_is_announced_is_neither_made_room_for_nor_believed() {
    let content = b"content";
    let honest = object(BLOB, 7, &[], content);
    assert!(weigh_bytes(&pack(std::slice::from_ref(&honest)), &Caps::default()).is_ok());
    for (objects, said) in [
        (vec![object(BLOB, 1 << 40, &[], content)], "holds an object of more than 64 MiB"),
        (vec![object(BLOB, u64::MAX, &[], content)], "holds an object of more than 64 MiB"),
        (vec![object(BLOB, 8, &[], content)], "an object of another size than it says"),
        (vec![object(BLOB, 6, &[], content)], "an object of another size than it says"),
        (vec![object(0, 7, &[], content)], "an object of no kind"),
        (vec![object(5, 7, &[], content)], "an object of no kind"),
        (vec![vec![0xff; 40]], "an object without end"),
        (vec![object(DELTA_BY_PLACE, 2, &[1], &sizes(7, 7))], "an object that is not there"),
        (vec![honest.clone(), object(DELTA_BY_PLACE, 2, &[0], &sizes(7, 7))], "that is not there"),
        (
            vec![honest.clone(), object(DELTA_BY_PLACE, 2, &[0xff; 12], &sizes(7, 7))],
            "from nowhere",
        ),
        (
            vec![honest.clone(), {
                let back = u8::try_from(honest.len()).unwrap();
                let content = sizes(7, 1 << 40);
                object(DELTA_BY_PLACE, content.len() as u64, &[back], &content)
            }],
            "holds an object of more than 64 MiB",
        ),
        (
            vec![honest.clone(), {
                let back = u8::try_from(honest.len()).unwrap();
                object(DELTA_BY_PLACE, 1, &[back], &[0xff])
            }],
            "a difference without its sizes",
        ),
    ] {
        let told = told(&pack(&objects));
        assert!(told.contains(said), "{said}: {told}");
    }
    let mut many = pack(&[honest]);
    many[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(told(&many).contains("more than 2000000 objects"));
    assert!(told(b"PACX\0\0\0\x02\0\0\0\0").contains("it is no pack"));
}

#[test]
fn whoever_waits_no_longer_is_not_worked_for() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pack(&[object(BLOB, 1, &[], b"x")])).unwrap();
    let refused = weigh(file.path(), &Caps::default(), &AtomicBool::new(true)).unwrap_err();
    assert!(matches!(refused, GitError::TooSlow { .. }));
}

proptest! {
    /// Whatever bytes come, they are weighed or refused.
    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0_u8..4) {
        let mut whole = b"PACK\0\0\0\x02\0\0\0".to_vec();
        whole.push(count);
        whole.extend(bytes);
        drop(weigh_bytes(&whole, &Caps::default()));
    }
}
