use super::*;

#[test]
fn a_path_is_in_groups_of_three() {
    let path = |kind, index, width| TileId { kind, index, width }.to_string();
    assert_eq!(path(Kind::Hashes(0), 0, 256), "tile/0/000");
    assert_eq!(path(Kind::Hashes(2), 999, 1), "tile/2/999.p/1");
    assert_eq!(path(Kind::Entries, 1000, 256), "tile/entries/x001/000");
    assert_eq!(path(Kind::Hashes(0), 1_234_067, 112), "tile/0/x001/x234/067.p/112");
}

#[test]
fn a_tree_of_seventy_thousand_has_the_tiles_of_the_specification() {
    let last = |level| {
        let length = row_length(level, 70_000);
        let tile = TileId::holding(Kind::Hashes(level), length - 1, length).unwrap();
        (tile.index, tile.width)
    };
    assert_eq!([last(0), last(1), last(2)], [(273, 112), (1, 17), (0, 1)]);
    assert_eq!(row_length(3, 70_000), 0);
    assert_eq!(row_length(9, u64::MAX), 0);
    assert_eq!(TileId::holding(Kind::Hashes(0), 5, 5), None);
}

#[test]
fn a_bundle_reads_back_and_a_torn_one_says_how_far() {
    let entries: [&[u8]; 3] = [b"one", b"", b"three"];
    let bytes = bundle(entries).unwrap();
    assert_eq!(unbundle(&bytes, 3).unwrap(), entries);
    let torn = |bytes, width| unbundle(bytes, width).unwrap_err().readable;
    assert_eq!(torn(&bytes[..bytes.len() - 1], 3), entries[..2]);
    assert_eq!(torn(&bytes, 2), entries[..2], "something follows");
    assert_eq!(torn(&bytes, 4), entries);
    assert_eq!(bundle([vec![0; 65_536].as_slice()]), None);
}

#[test]
fn hashes_read_back_only_whole() {
    let row = [Hash::leaf(b"a"), Hash::leaf(b"b")];
    let bytes = flat(&row);
    assert_eq!(hashes(&bytes, 2).unwrap(), row);
    assert_eq!(hashes(&bytes, 3), None);
    assert_eq!(hashes(&bytes[..63], 2), None);
}
