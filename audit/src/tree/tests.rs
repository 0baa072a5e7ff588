use super::*;

fn leaves(count: u64) -> Vec<TreeHash> {
    (0..count).map(|number| leaf(&number.to_be_bytes())).collect()
}

/// The definition, word for word.
fn root_of(leaves: &[TreeHash]) -> TreeHash {
    match leaves {
        [] => TreeHash::from_bytes(Sha256::digest([]).into()),
        [leaf] => *leaf,
        more => {
            let half =
                (1..).map(|bit| 1_usize << bit).take_while(|half| *half < more.len()).last().unwrap_or(1);
            node(&root_of(&more[..half]), &root_of(&more[half..]))
        }
    }
}

fn frontier(leaves: &[TreeHash]) -> Frontier {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier
}

fn collected(mut collector: Collector, leaves: &[TreeHash]) -> Vec<TreeHash> {
    leaves.iter().for_each(|leaf| collector.leaf(*leaf));
    collector.proof().unwrap()
}

/// Leaves and roots of the reference implementation of certificate transparency, which its tests carry.
#[test]
fn known_roots() {
    let inputs: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::default();
    assert_eq!(
        frontier.root().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (input, root) in inputs.into_iter().zip(roots) {
        frontier.push(leaf(input));
        assert_eq!(frontier.root().to_string(), root);
    }
}

#[test]
fn the_frontier_has_the_root_of_the_definition() {
    let leaves = leaves(130);
    for size in 0..=leaves.len() {
        let frontier = frontier(&leaves[..size]);
        assert_eq!((frontier.root(), frontier.is_sound()), (root_of(&leaves[..size]), true), "{size}");
    }
    assert!(!Frontier { size: 3, roots: vec![] }.is_sound());
}

#[test]
fn every_leaf_of_every_small_tree_is_proved_and_no_other() {
    let all = leaves(33);
    for size in 1..=33_u64 {
        let leaves = &all[..usize::try_from(size).unwrap()];
        let root = root_of(leaves);
        for index in 0..size {
            let proof = collected(Collector::inclusion(index, size).unwrap(), leaves);
            let this = leaves[usize::try_from(index).unwrap()];
            assert_eq!(check_inclusion(this, (index, size), &proof, root), Ok(()), "{index} of {size}");
            for other in (0..size).filter(|other| *other != index) {
                check_inclusion(this, (other, size), &proof, root).unwrap_err();
                check_inclusion(leaves[usize::try_from(other).unwrap()], (index, size), &proof, root)
                    .unwrap_err();
            }
            for at in 0..proof.len() {
                let mut bad = proof.clone();
                bad[at] = this;
                check_inclusion(this, (index, size), &bad, root).unwrap_err();
                bad.remove(at);
                check_inclusion(this, (index, size), &bad, root).unwrap_err();
            }
            check_inclusion(this, (index, size), &[&proof[..], &[root]].concat(), root).unwrap_err();
        }
    }
    assert!(Collector::inclusion(3, 3).is_none());
}

#[test]
fn every_small_tree_is_consistent_with_every_smaller_one_and_no_other() {
    let all = leaves(33);
    let root = |size: u64| root_of(&all[..usize::try_from(size).unwrap()]);
    for new in 1..=33 {
        for old in 1..=new {
            let leaves = &all[..usize::try_from(new).unwrap()];
            let proof = collected(Collector::consistency(old, new).unwrap(), leaves);
            assert_eq!(
                check_consistency((old, root(old)), (new, root(new)), &proof),
                Ok(()),
                "{old} in {new}"
            );
            for other in (1..=33).filter(|other| *other != old) {
                check_consistency((other, root(old)), (new, root(new)), &proof).unwrap_err();
                check_consistency((old, root(other)), (new, root(new)), &proof).unwrap_err();
                if other != new {
                    check_consistency((old, root(old)), (new, root(other)), &proof).unwrap_err();
                }
            }
            for at in 0..proof.len() {
                let mut bad = proof.clone();
                bad.remove(at);
                check_consistency((old, root(old)), (new, root(new)), &bad).unwrap_err();
            }
        }
    }
}
