//! The ways in which a package comes in: shortest first, a bounded number for each, found in one walk over the graph.

/// Ways that are kept for one package.
const MOST_WAYS: usize = 10;
/// Packages on one way.
const LONGEST_WAY: usize = 128;
/// Packages on all ways together; a lockfile of 1,500 packages has about 100,000.
const MOST_PACKAGES_ON_WAYS: usize = 1_000_000;
/// Bytes that all ways together have when they are written out, each package by its label.
const MOST_BYTES_ON_WAYS: usize = 64 << 20;

/// For each node up to ten of the shortest ways from a root to it, both included, none of which meets a node twice.
///
/// `edges[node]` are the nodes that it depends on. Roots are the nodes on which none depends. What those do not reach
/// (members that depend on each other, as by dev-dependencies) is reached from `local` nodes, and at last from itself.
/// Each node is taken up at most ten times, so the work grows with the edges and not with the number of ways. Where all
/// ways together would be too many, or too long when each node takes as many bytes as `label_bytes` says, the longest
/// are left out.
pub fn shortest_ways(edges: &[Vec<usize>], local: &[bool], label_bytes: &[usize]) -> Vec<Vec<Vec<usize>>> {
    let mut has_dependents = vec![false; edges.len()];
    for dependency in edges.iter().flatten() {
        has_dependents[*dependency] = true;
    }
    let mut reached = vec![false; edges.len()];
    let mut roots = Vec::new();
    let kinds: [&dyn Fn(usize) -> bool; 3] = [&|node| !has_dependents[node], &|node| local[node], &|_| true];
    for is_root in kinds {
        let more: Vec<usize> = (0..edges.len()).filter(|node| !reached[*node] && is_root(*node)).collect();
        mark_reached(edges, &more, &mut reached);
        roots.extend(more);
    }
    let mut walk = Walk { edges, label_bytes, steps: Vec::new(), found: vec![0; edges.len()] };
    walk.from(&roots);
    let mut ways = vec![Vec::new(); edges.len()];
    let (mut packages, mut bytes) = (0, 0_usize);
    for (index, step) in walk.steps.iter().enumerate() {
        packages += step.length;
        bytes = bytes.saturating_add(step.bytes);
        if packages > MOST_PACKAGES_ON_WAYS || bytes > MOST_BYTES_ON_WAYS {
            break;
        }
        ways[step.node].push(walk.way_to(index));
    }
    ways
}

fn mark_reached(edges: &[Vec<usize>], roots: &[usize], reached: &mut [bool]) {
    let mut open = roots.to_vec();
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut reached[node], true) {
            open.extend(edges[node].iter().filter(|next| !reached[**next]));
        }
    }
}

struct Walk<'a> {
    edges: &'a [Vec<usize>],
    label_bytes: &'a [usize],
    /// In the order in which they were taken, so that shorter ways stand first.
    steps: Vec<Step>,
    found: Vec<usize>,
}

struct Step {
    node: usize,
    before: Option<usize>,
    length: usize,
    bytes: usize,
}

impl Walk<'_> {
    fn from(&mut self, roots: &[usize]) {
        for node in roots {
            self.take(*node, None, 1);
        }
        let mut next = 0;
        while next < self.steps.len() {
            let (node, length) = (self.steps[next].node, self.steps[next].length);
            for dependency in &self.edges[node] {
                let wanted = length < LONGEST_WAY && self.found[*dependency] < MOST_WAYS;
                if wanted && !self.passes(next, *dependency) {
                    self.take(*dependency, Some(next), length + 1);
                }
            }
            next += 1;
        }
    }

    fn take(&mut self, node: usize, before: Option<usize>, length: usize) {
        self.found[node] += 1;
        let bytes =
            before.map_or(0, |before| self.steps[before].bytes).saturating_add(self.label_bytes[node]);
        self.steps.push(Step { node, before, length, bytes });
    }

    /// Whether the way that ends with this step meets the node.
    fn passes(&self, step: usize, node: usize) -> bool {
        self.back_from(step).any(|met| met == node)
    }

    fn way_to(&self, step: usize) -> Vec<usize> {
        let mut way: Vec<usize> = self.back_from(step).collect();
        way.reverse();
        way
    }

    fn back_from(&self, step: usize) -> impl Iterator<Item = usize> {
        let steps = std::iter::successors(Some(step), |step| self.steps[*step].before);
        steps.map(|step| self.steps[step].node)
    }
}

#[cfg(test)]
mod tests {
    use super::shortest_ways;

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
