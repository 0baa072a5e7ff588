use super::*;

/// Bytes of a test image.
fn image(blocks: usize) -> Vec<u8> {
    (0..blocks)
        .flat_map(|block| (0..BLOCK).map(move |at| u8::try_from((block * 7 + at) % 256).unwrap()))
        .collect()
}

fn grown(blocks: usize) -> (HashTree, Digest) {
    grow(image(blocks).as_slice(), &Stop::never()).unwrap()
}

/// Blocks of the image, root hash, and SHA-256 of the tree's file, as `veritysetup format` 2.6.1 makes them with this
/// salt and `--uuid=6f70656e-7368-656c-6c20-766572697479`.
const GOLDEN: [(usize, &str, &str); 5] = [
    (
        1,
        "1746f2927d7329f615bd13734ccff3179bf071fc8d0e050b63ca49c566d9d761",
        "a957c85e1a864bd449d7260dc66f56f884cb8503afd444afa80a06d701338a43",
    ),
    (
        2,
        "bb60e073c829a760e6edfaab3af8876c5c425864c38b335dcd9211731b4f722f",
        "9160a9b4d285f3a8d89fb1508afbe942acf579c570a87d5c30787e4f76b96cfc",
    ),
    (
        128,
        "66070edf62fbaf994594ebadbd013d2c945ff85b52a46bca1b218eeb8bacec1b",
        "a22fd972e22d105f62e39071f7bac975db0442b7137336dc5b3f45388727e242",
    ),
    (
        129,
        "c9e0f32b4b4709aa175728ab9d817e98dc1ef23d187af99ed54f6e6c941eb229",
        "0b9becb222060c6d81d5bf88875bef3c4d2ae31fc10b4b79602cc92831ca5173",
    ),
    (
        300,
        "63f79a6613fca70388b4a7b31cbd6540beb2ba9fc03c8e19e7134daf77d18a22",
        "12f58702b281355a9a40fe3a6c2afc3ef7a2a32b9d981b865ce833ddf63ccb24",
    ),
];

#[test]
fn trees_are_those_of_veritysetup() {
    for (blocks, root, file) in GOLDEN {
        let (tree, whole) = grown(blocks);
        assert_eq!(tree.seal.root.to_string(), root, "{blocks} blocks");
        assert_eq!(Digest::of_bytes(&tree.bytes).to_string(), file, "{blocks} blocks");
        assert_eq!(whole, Digest::of_bytes(&image(blocks)));
        assert_eq!(tree_bytes(tree.seal.data_blocks), tree.bytes.len() as u64);
        assert!(is_tree_of(&tree.bytes, &tree.seal));
    }
}

#[test]
fn every_byte_counts() {
    let (genuine, _) = grown(129);
    for at in [0, BLOCK, 128 * BLOCK, 129 * BLOCK - 1] {
        let mut changed = image(129);
        changed[at] ^= 1;
        assert_ne!(grow(changed.as_slice(), &Stop::never()).unwrap().0.seal.root, genuine.seal.root);
    }
}

fn is_tree_of(bytes: &[u8], seal: &Seal) -> bool {
    let mut file = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut file, bytes).unwrap();
    super::is_tree_of(&file, seal).unwrap()
}

#[test]
fn another_tree_is_seen() {
    let (tree, _) = grown(129);
    for at in [0, 72, 88, BLOCK, 2 * BLOCK - 1, 3 * BLOCK, 4 * BLOCK - 1] {
        let mut changed = tree.bytes.clone();
        changed[at] ^= 1;
        assert!(!is_tree_of(&changed, &tree.seal), "byte {at}");
    }
    assert!(!is_tree_of(&tree.bytes, &grown(128).0.seal));
    assert!(!is_tree_of(&[], &tree.seal));
}

/// Blocks that the guest could not read: the root stays, and the agent would get errors for the rest of its files. (Of one block that
/// is left the kernel asks for the root itself.)
#[test]
fn an_image_that_was_cut_short_has_not_this_root() {
    for (blocks, left) in [(129, 128), (300, 257), (300, 256), (300, 255), (128, 127)] {
        let (whole, _) = grown(blocks);
        let short = u64::try_from(left).unwrap();
        let mut bytes = superblock(short);
        // The levels stay as they are, but for blocks of hashes of what is not there any more.
        let of_whole = levels(whole.seal.data_blocks);
        let mut begin = 1;
        for (level, (count, _below)) in of_whole.iter().enumerate().rev() {
            let kept = levels(short).get(level).map_or(0, |(blocks, _below)| *blocks);
            let from = usize::try_from(begin).unwrap() * BLOCK;
            bytes.extend(&whole.bytes[from..from + usize::try_from(kept).unwrap() * BLOCK]);
            begin += count;
        }
        let seal = Seal { data_blocks: short, ..whole.seal };
        assert!(!is_tree_of(&bytes, &seal), "{left} of {blocks}");
    }
}

#[test]
fn what_is_no_row_of_blocks_has_no_tree() {
    for length in [0, 1, BLOCK - 1, BLOCK + 1, 64 * BLOCK + 512] {
        let error = grow(vec![7; length].as_slice(), &Stop::never()).unwrap_err();
        assert!(matches!(error, GrowError::Ragged(found) if found == length as u64), "{length}: {error}");
    }
}

#[test]
fn whoever_wishes_to_stop_does_not_wait_for_a_tree() {
    let stop = Stop::new().unwrap();
    stop.ask();
    assert!(matches!(grow(io::repeat(0), &stop), Err(GrowError::Interrupted)));
}
