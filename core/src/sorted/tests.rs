//! Against the standard library's.

use super::*;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u32),
    Remove(u8),
    Add(u8),
    Retain(u8),
    Extend(Vec<(u8, u32)>),
    PopFirst,
    PopLast,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u8>(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => any::<u8>().prop_map(Step::Remove),
        2 => any::<u8>().prop_map(Step::Add),
        1 => (1u8..5).prop_map(Step::Retain),
        1 => any::<Vec<(u8, u32)>>().prop_map(Step::Extend),
        1 => Just(Step::PopFirst),
        1 => Just(Step::PopLast),
    ]
}

proptest! {
    #[test]
    fn a_map_does_what_a_tree_does(start: Vec<(u8, u32)>, steps in prop::collection::vec(step(), 0..40), low: u8, high: u8) {
        let mut map: Map<u8, u32> = start.iter().copied().collect();
        let mut tree: BTreeMap<u8, u32> = start.into_iter().collect();
        for step in steps {
            match step {
                Step::Insert(key, value) => prop_assert_eq!(map.insert(key, value), tree.insert(key, value)),
                Step::Remove(key) => prop_assert_eq!(map.remove(&key), tree.remove(&key)),
                Step::Add(key) => {
                    *map.entry(key).or_default() ^= 1;
                    *tree.entry(key).or_default() ^= 1;
                }
                Step::Retain(n) => {
                    map.retain(|key, value| key % n != 0 || *value % 2 == 0);
                    tree.retain(|key, value| key % n != 0 || *value % 2 == 0);
                }
                Step::Extend(more) => {
                    map.extend(more.iter().copied());
                    tree.extend(more);
                }
                Step::PopFirst => prop_assert_eq!(map.pop_first(), tree.pop_first()),
                Step::PopLast => prop_assert_eq!(map.pop_last(), tree.pop_last()),
            }
            prop_assert!(map.iter().eq(tree.iter()));
            prop_assert_eq!(map.first_key_value(), tree.first_key_value());
            prop_assert_eq!(map.last_key_value(), tree.last_key_value());
            prop_assert_eq!((map.get(&low), map.contains_key(&high)), (tree.get(&low), tree.contains_key(&high)));
        }
        let (low, high) = (low.min(high), low.max(high));
        prop_assert!(map.range(low..high).eq(tree.range(low..high)));
        prop_assert!(map.range(low..=high).eq(tree.range(low..=high)));
        prop_assert!(map.range(..low).eq(tree.range(..low)));
        prop_assert!(map.range(high..).eq(tree.range(high..)));
        prop_assert_eq!(map.range(high..low).count(), 0);
        prop_assert!(map.keys().rev().eq(tree.keys().rev()));
        prop_assert!(map.clone().into_values().eq(tree.clone().into_values()));
        prop_assert!(map.into_iter().eq(tree));
    }

    #[test]
    fn a_set_does_what_a_tree_does(start: Vec<u8>, steps: Vec<(bool, u8)>) {
        let mut set: Set<u8> = start.iter().copied().collect();
        let mut tree: BTreeSet<u8> = start.into_iter().collect();
        for (insert, item) in steps {
            if insert {
                prop_assert_eq!(set.insert(item), tree.insert(item));
            } else {
                prop_assert_eq!(set.remove(&item), tree.remove(&item));
            }
            prop_assert!(set.iter().eq(tree.iter()));
            prop_assert_eq!(set.contains(&item), insert);
        }
        prop_assert!(set.into_iter().eq(tree));
    }

    #[test]
    fn sorting_is_stable(mut items: Vec<(u8, u32)>) {
        let mut same = items.clone();
        sort_by_key(&mut items, |item| item.0 / 16);
        same.sort_by_key(|item| item.0 / 16);
        prop_assert_eq!(&items, &same);
        sort(&mut items);
        same.sort();
        prop_assert_eq!(items, same);
    }
}
