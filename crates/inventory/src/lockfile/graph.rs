//! The ways in which a package comes in: shortest first, a bounded number for each, found in one walk over the graph.

use crate::text::pile::push;

/// Ways that are kept for one package.
const MOST_WAYS: u8 = 10;
/// Packages on one way.
const LONGEST_WAY: u32 = 128;
/// Bytes that all ways together have when they are written out, each package by its label.
const MOST_BYTES_ON_WAYS: usize = 64 << 20;

/// The ways that were found, of which each is told by itself: all together would take far more memory than the graph.
pub struct Ways {
    steps: Vec<Step>,
    /// The steps at which ways end that are kept, by the node that they lead to, and within that in order.
    ends: Vec<u32>,
}

impl Ways {
    /// How many ways lead to this node, and for each its nodes from the last to the first.
    pub fn to(&self, node: usize) -> impl ExactSizeIterator<Item = Way<'_>> {
        let node_of = |end: &u32| self.steps[*end as usize].node as usize;
        let first = self.ends.partition_point(|end| node_of(end) < node);
        let count = self.ends[first..].partition_point(|end| node_of(end) == node);
        self.ends[first..first + count].iter().map(|end| Way { steps: &self.steps, end: *end })
    }
}

/// One way.
pub struct Way<'a> {
    steps: &'a [Step],
    end: u32,
}

impl<'a> Way<'a> {
    pub fn length(&self) -> usize {
        self.steps[self.end as usize].length as usize
    }

    pub fn from_its_end(&self) -> impl Iterator<Item = usize> + use<'a> {
        back_from(self.steps, self.end)
    }
}

/// For each node up to ten of the shortest ways from a root to it, both included, none of which meets a node twice.
///
/// `edges[node]` are the nodes that it depends on. Roots are the nodes on which none depends. What those do not reach
/// (members that depend on each other, as by dev-dependencies) is reached from `local` nodes, and at last from itself.
/// Each node is taken up at most ten times, so the work grows with the edges and not with the number of ways. Where all
/// ways together would be more than `most_packages`, or too long when each node takes as many bytes as `label_bytes` says,
/// the longest are left out.
pub fn shortest_ways(
    edges: &[Vec<usize>],
    local: &[bool],
    label_bytes: impl Fn(usize) -> usize,
    most_packages: usize,
) -> Ways {
    let mut has_dependents = vec![false; edges.len()];
    for dependency in edges.iter().flatten() {
        has_dependents[*dependency] = true;
    }
    let mut reached = vec![false; edges.len()];
    let mut walk = Walk { edges, label_bytes, steps: Vec::new(), found: vec![0; edges.len()] };
    let kinds: [&dyn Fn(usize) -> bool; 3] = [&|node| !has_dependents[node], &|node| local[node], &|_| true];
    for is_root in kinds {
        let first = walk.steps.len();
        let more = (0..edges.len()).filter(|node| !reached[*node] && is_root(*node));
        more.for_each(|node| walk.take(node, NONE, 1));
        mark_reached(
            edges,
            walk.steps[first..].iter().map(|step| step.node as usize).collect(),
            &mut reached,
        );
    }
    walk.on();
    let (mut packages, mut bytes) = (0, 0_usize);
    let mut kept = 0;
    for step in &walk.steps {
        packages += step.length as usize;
        bytes = bytes.saturating_add(step.bytes as usize);
        if packages > most_packages || bytes > MOST_BYTES_ON_WAYS {
            break;
        }
        kept += 1;
    }
    let steps = walk.steps;
    let mut ends: Vec<u32> = (0..kept).collect();
    ends.sort_unstable_by_key(|end| (steps[*end as usize].node, *end));
    Ways { steps, ends }
}

fn mark_reached(edges: &[Vec<usize>], mut open: Vec<usize>, reached: &mut [bool]) {
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut reached[node], true) {
            open.extend(edges[node].iter().filter(|next| !reached[**next]));
        }
    }
}

/// No step.
const NONE: u32 = u32::MAX;

struct Walk<'a, LabelBytes> {
    edges: &'a [Vec<usize>],
    label_bytes: LabelBytes,
    /// In the order in which they were taken, so that shorter ways stand first.
    steps: Vec<Step>,
    found: Vec<u8>,
}

/// Small, for there may be ten for each package.
struct Step {
    node: u32,
    before: u32,
    bytes: u32,
    length: u32,
}

impl<LabelBytes: Fn(usize) -> usize> Walk<'_, LabelBytes> {
    /// Goes on from the roots.
    fn on(&mut self) {
        let mut next = 0;
        while next < self.steps.len() {
            let (node, length) = (self.steps[next].node as usize, self.steps[next].length);
            let step = number(next);
            for dependency in &self.edges[node] {
                let wanted = length < LONGEST_WAY && self.found[*dependency] < MOST_WAYS;
                if wanted && !self.passes(step, *dependency) {
                    self.take(*dependency, step, length + 1);
                }
            }
            next += 1;
        }
    }

    fn take(&mut self, node: usize, before: u32, length: u32) {
        self.found[node] += 1;
        let bytes = self.steps.get(before as usize).map_or(0, |before| before.bytes);
        let bytes = bytes.saturating_add(number((self.label_bytes)(node)));
        push(&mut self.steps, Step { node: number(node), before, bytes, length });
    }

    /// Whether the way that ends with this step meets the node.
    fn passes(&self, step: u32, node: usize) -> bool {
        back_from(&self.steps, step).any(|met| met == node)
    }
}

fn back_from(steps: &[Step], step: u32) -> impl Iterator<Item = usize> {
    let steps = std::iter::successors(steps.get(step as usize), |step| steps.get(step.before as usize));
    steps.map(|step| step.node as usize)
}

/// A graph has no more nodes than a file has packages, and ten times as many steps.
fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(NONE)
}

#[cfg(test)]
mod tests {
    /// All ways to each node, written out.
    fn shortest_ways(edges: &[Vec<usize>], local: &[bool], label_bytes: &[usize]) -> Vec<Vec<Vec<usize>>> {
        let ways = super::shortest_ways(edges, local, |node| label_bytes[node], 1_000_000);
        let way = |way: super::Way<'_>| {
            let mut nodes: Vec<usize> = way.from_its_end().collect();
            assert_eq!(nodes.len(), way.length());
            nodes.reverse();
            nodes
        };
        (0..edges.len()).map(|node| ways.to(node).map(way).collect()).collect()
    }

    fn check(edges: &[&[usize]], local: &[bool], node: usize, then: &[&[usize]]) {
        let edges: Vec<Vec<usize>> = edges.iter().map(|list| list.to_vec()).collect();
        assert_eq!(shortest_ways(&edges, local, &vec![1; local.len()])[node], then);
    }

    #[test]
    fn every_way_is_told_the_shortest_first() {
        check(&[&[1, 2], &[3], &[1], &[]], &[true; 4], 3, &[&[0, 1, 3], &[0, 2, 1, 3]]);
    }

    #[test]
    fn a_circle_ends_and_members_that_need_each_other_are_roots() {
        check(&[&[1], &[0, 2], &[]], &[true, true, false], 2, &[&[1, 2], &[0, 1, 2]]);
    }

    #[test]
    fn ways_from_roots_of_all_kinds_are_told_together_the_shortest_first() {
        // 0 is a root; 1 needs itself; 2 and 3 need each other.
        check(
            &[&[4], &[1, 5], &[3, 5], &[2], &[5], &[]],
            &[true; 6],
            5,
            &[&[1, 5], &[2, 5], &[0, 4, 5], &[3, 2, 5]],
        );
    }

    #[test]
    fn a_graph_with_more_ways_than_atoms_gives_ten_of_them() {
        // Sixty layers of three, each joined to all of the next: 3^60 ways.
        let layer = |index: usize| (3 * index..3 * index + 3).collect::<Vec<usize>>();
        let mut edges: Vec<Vec<usize>> = (0..180).map(|node| layer(node / 3 + 1)).collect();
        edges[177..].iter_mut().for_each(Vec::clear);
        let ways = shortest_ways(&edges, &[false; 180], &[1; 180]);
        assert_eq!(ways[179].len(), 10);
        assert!(ways[179].iter().all(|way| way.len() == 60));
    }

    #[test]
    fn a_way_that_is_too_long_is_not_told() {
        let edges: Vec<Vec<usize>> =
            (0..200).map(|node| if node < 199 { vec![node + 1] } else { vec![] }).collect();
        let ways = shortest_ways(&edges, &[false; 200], &[1; 200]);
        assert_eq!((ways[127].len(), ways[128].len()), (1, 0));
    }

    #[test]
    fn long_labels_leave_the_longest_ways_out() {
        // Each of a hundred has one way; all together would take five gigabytes.
        let edges: Vec<Vec<usize>> =
            (0..100).map(|node| if node < 99 { vec![node + 1] } else { vec![] }).collect();
        let ways = shortest_ways(&edges, &[false; 100], &[1 << 20; 100]);
        let told = ways.iter().filter(|ways| !ways.is_empty()).count();
        // 1 + 2 + ... + 10 MiB are 55, with 11 they would be 66.
        assert_eq!(told, 10);
    }
}
