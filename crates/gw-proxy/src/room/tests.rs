use proptest::prelude::*;

use super::*;

#[test]
fn callers_have_what_the_others_leave() {
    for (open_files, threads, room) in [
        (256, 2, Ok((31, 9))),
        (1024, 2, Ok((199, 57))),
        (20_000, 2, Ok((4_940, 64))),
        (1 << 20, 2, Ok((10_000, 64))),
        (256, 1, Ok((66, 19))),
        (107, 1, Ok((1, 1))),
        (106, 1, Err(107)),
        (100, 2, Err(118)),
        (0, 1, Err(107)),
    ] {
        let found = Room::of(open_files, threads, 10_000);
        let found = found.map(|room| (room.callers, room.latecomers)).map_err(|no| no.needed);
        assert_eq!(found, room, "{open_files} {threads}");
    }
}

proptest! {
    #[test]
    fn everybody_together_fits_below_the_limit(
        open_files in 0_u64..1 << 24,
        threads in 1_usize..128,
        most in 0_usize..20_000,
    ) {
        let limit = usize::try_from(open_files).expect("it is small");
        match Room::of(open_files, threads, most) {
            Ok(Room { callers, latecomers }) => {
                let of_thread = 2 * callers + latecomers + RESERVE_OF_THREAD;
                prop_assert!(callers > 0 && latecomers > 0);
                prop_assert!(RESERVE + threads * of_thread <= limit);
            }
            Err(NoRoom { needed }) => {
                prop_assert!(needed > limit);
                prop_assert!(Room::of(needed as u64, threads, most).is_ok());
            }
        }
    }
}
