use proptest::prelude::*;

use super::*;
use crate::tile::row_length;

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_tower_has_the_root_and_the_tiles_of_its_tree(size in 0u64..70_000) {
        let (mut tower, mut tiles) = (Tower::default(), vec![]);
        let leaves: Vec<Hash> = (0..size).map(leaf).collect();
        leaves.iter().for_each(|leaf| tower.push(*leaf, |tile| tiles.push(tile)));
        prop_assert_eq!(tower.size(), size);
        prop_assert_eq!(tower.root(), tree::root(&leaves));
        tiles.extend(tower.edge());
        for level in 0u32..4 {
            let length = row_length(level, size);
            let of_level = |tile: &&Tile| tile.id.kind == Kind::Hashes(level);
            let row: Vec<&Tile> = tiles.iter().filter(of_level).collect();
            prop_assert_eq!(row.len() as u64, length.div_ceil(WIDTH));
            for (index, tile) in (0..).zip(row) {
                let expected = TileId::holding(Kind::Hashes(level), index * WIDTH, length).unwrap();
                prop_assert_eq!(tile.id, expected);
                prop_assert_eq!(tile.hashes.len() as u64, expected.width);
            }
        }
    }

    #[test]
    fn a_tower_goes_on_where_it_stopped(size in 0u64..3_000, more in 1u64..600) {
        let mut whole = Tower::default();
        (0..size).for_each(|index| whole.push(leaf(index), |_| ()));
        let mut resumed = Tower::resume(size, whole.rows.clone()).unwrap();
        for index in size..size + more {
            whole.push(leaf(index), |_| ());
            resumed.push(leaf(index), |_| ());
        }
        prop_assert_eq!(&resumed, &whole);
        prop_assert!(Tower::resume(size + 1, resumed.rows).is_none() || more == 1);
    }
}
