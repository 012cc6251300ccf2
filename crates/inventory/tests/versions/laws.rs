//! What holds for the versions of every scheme, whatever the texts. The fuzz target asks the same.

use std::cmp::Ordering;

use patchline_inventory::version::{ECOSYSTEMS, Scheme, Version};

/// Every scheme once.
pub fn schemes() -> Vec<Scheme> {
    let mut schemes: Vec<Scheme> = ECOSYSTEMS.iter().map(|(_, scheme)| *scheme).collect();
    schemes.sort();
    schemes.dedup();
    schemes
}

/// Panics unless the versions among the texts stand in one order: each equals itself, the reverse of a comparison is its
/// reverse, what precedes what precedes a third precedes that too, equals compare alike, and keys never contradict.
pub fn hold(scheme: Scheme, texts: &[&str]) {
    let versions: Vec<(&str, Version<'_>)> =
        texts.iter().filter_map(|text| scheme.parse(text).map(|version| (*text, version))).collect();
    for (left, first) in &versions {
        for (right, second) in &versions {
            let order = first.cmp(second);
            assert_eq!(second.cmp(first), order.reverse(), "{scheme:?}: {left:?} {right:?}");
            assert_eq!(scheme.compare(left, right), Some(order), "{scheme:?}: {left:?} {right:?}");
            assert!(left != right || order.is_eq(), "{scheme:?}: {left:?} is not itself");
            let keys = first.coarse().cmp(&second.coarse());
            assert!(
                keys.is_eq() || keys == order,
                "{scheme:?}: keys of {left:?} {order:?} {right:?} are {keys:?}"
            );
            for (last, third) in &versions {
                let whole = (order, second.cmp(third), first.cmp(third));
                assert!(is_transitive(whole), "{scheme:?}: {left:?} {right:?} {last:?} are {whole:?}");
            }
        }
    }
    for left in texts {
        for right in texts {
            let order = scheme.compare(left, right);
            assert_eq!(
                scheme.compare(right, left),
                order.map(Ordering::reverse),
                "{scheme:?}: {left:?} {right:?}"
            );
        }
    }
}

/// Of a first to a second, a second to a third, and the first to the third.
fn is_transitive(whole: (Ordering, Ordering, Ordering)) -> bool {
    match whole {
        (Ordering::Equal, second, whole) => second == whole,
        (first, Ordering::Equal, whole) => first == whole,
        (first, second, whole) => first != second || first == whole,
    }
}
