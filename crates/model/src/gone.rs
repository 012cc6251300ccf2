//! Which findings of analyzers are gone from one look to the next, and which are new. Lines move and change, so what counts is
//! how many of a rule there are in a file, and only then which.

use std::collections::{BTreeMap, BTreeSet};

use crate::analyzer::Analysis;
use crate::id::FindingId;
use crate::stage::detect::Finding;

/// What became of findings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Became<'a> {
    /// Of what was to be removed, what is there all the same.
    pub still: BTreeSet<&'a FindingId>,
    /// What was not there before.
    pub new: Vec<&'a Finding>,
}

type Rule<'a> = (&'a str, &'a str, &'a str);

/// One rule in one file, on both sides.
#[derive(Default)]
struct Group<'a> {
    before: Vec<(&'a Finding, &'a Analysis)>,
    after: Vec<(&'a Finding, &'a Analysis)>,
}

/// Holds two looks by the same analyzers against each other. `removed` names what is to be gone.
pub fn became<'a>(removed: &[FindingId], before: &'a [Finding], after: &'a [Finding]) -> Became<'a> {
    let mut groups: BTreeMap<Rule<'a>, Group<'a>> = BTreeMap::new();
    for (rule, one) in before.iter().filter_map(known) {
        groups.entry(rule).or_default().before.push(one);
    }
    for (rule, one) in after.iter().filter_map(known) {
        groups.entry(rule).or_default().after.push(one);
    }
    let removed: BTreeSet<&FindingId> = removed.iter().collect();
    let mut became = Became::default();
    groups.values().for_each(|group| judge(group, &removed, &mut became));
    became
}

fn judge<'a>(group: &Group<'a>, removed: &BTreeSet<&FindingId>, became: &mut Became<'a>) {
    let is_removed = |finding: &Finding| removed.contains(&finding.id);
    let (gone, kept): (Vec<_>, Vec<_>) =
        group.before.iter().copied().partition(|(finding, _)| is_removed(finding));
    let mut excess = group.after.len().saturating_sub(kept.len());
    // What looks as before is what was there before: first what may stay, then what was to go.
    let mut looks: BTreeMap<&str, usize> = BTreeMap::new();
    group.after.iter().for_each(|(_, analysis)| *looks.entry(&analysis.print).or_default() += 1);
    let mut take = |analysis: &Analysis| match looks.get_mut(analysis.print.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        Some(_) | None => false,
    };
    for (_, analysis) in kept {
        take(analysis);
    }
    let (alike, changed): (Vec<_>, Vec<_>) = gone.into_iter().partition(|(_, analysis)| take(analysis));
    // Where there are as many as before, what looks otherwise now is what was to go.
    for (finding, _) in alike.into_iter().chain(changed).take(excess) {
        became.still.insert(&finding.id);
        excess -= 1;
    }
    let is_new = |print: &str| looks.get(print).is_some_and(|count| *count > 0);
    let new = group.after.iter().rev().filter(|(_, analysis)| is_new(&analysis.print));
    became.new.extend(new.take(excess).map(|(finding, _)| *finding));
}

fn known(finding: &Finding) -> Option<(Rule<'_>, (&Finding, &Analysis))> {
    let analysis = finding.analysis()?;
    Some(((&analysis.tool, &analysis.rule, &finding.location.path), (finding, analysis)))
}

#[cfg(test)]
mod tests {
    use super::became;
    use crate::analyzer::{Analysis, Level};
    use crate::id::FindingId;
    use crate::stage::detect::{Finding, Location, Source};

    /// `rule path print`, or with a number for one more of the same.
    fn finding(text: &str) -> Finding {
        let words: Vec<&str> = text.split(' ').collect();
        Finding {
            id: FindingId(text.to_owned()),
            source: Source::Analyzer(Box::new(Analysis {
                tool: "tool".to_owned(),
                analyzer: None,
                rule: words[0].to_owned(),
                level: Level::Error,
                severity_tenths: None,
                region: None,
                print: words[2].to_owned(),
                fix: None,
            })),
            advisory: words[0].to_owned(),
            aliases: Vec::new(),
            summary: String::new(),
            package: None,
            location: Location { path: words[1].to_owned(), line: None },
            paths: Vec::new(),
            fixed: Vec::new(),
            severity: Vec::new(),
            informational: None,
        }
    }

    #[track_caller]
    fn check(removed: &[&str], before: &[&str], after: &[&str], still: &[&str], new: &[&str]) {
        let removed: Vec<FindingId> = removed.iter().map(|id| FindingId((*id).to_owned())).collect();
        let all = |texts: &[&str]| texts.iter().map(|text| finding(text)).collect::<Vec<_>>();
        let (before, after) = (all(before), all(after));
        let became = became(&removed, &before, &after);
        assert_eq!(became.still.iter().map(|id| id.0.as_str()).collect::<Vec<_>>(), still, "still");
        assert_eq!(became.new.iter().map(|one| one.id.0.as_str()).collect::<Vec<_>>(), new, "new");
    }

    #[test]
    fn what_is_gone_is_neither_still_there_nor_new() {
        check(&["r a 1"], &["r a 1", "r a 2"], &["r a 2"], &[], &[]);
        check(&["r a 1"], &["r a 1"], &[], &[], &[]);
        check(&[], &["r a 1"], &["r a 1"], &[], &[]);
    }

    #[test]
    fn of_two_that_are_alike_one_may_go() {
        check(&["r a 1"], &["r a 1", "r a 1 #2"], &["r a 1"], &[], &[]);
        check(&["r a 1"], &["r a 1", "r a 1 #2"], &["r a 1", "r a 1 #2"], &["r a 1"], &[]);
        check(&["r a 1", "r a 1 #2"], &["r a 1", "r a 1 #2"], &["r a 1"], &["r a 1"], &[]);
    }

    #[test]
    fn a_line_that_changed_is_no_new_finding_unless_there_is_one_more() {
        check(&["r a 1"], &["r a 1", "r a 2"], &["r a 3"], &[], &[]);
        check(&["r a 1"], &["r a 1"], &["r a 3"], &["r a 1"], &[]);
        check(&["r a 1"], &["r a 1", "r a 2"], &["r a 2", "r a 3"], &["r a 1"], &[]);
        check(&["r a 1"], &["r a 1"], &["r a 3", "r a 4"], &["r a 1"], &["r a 4"]);
        check(&[], &["r a 1"], &["r a 1", "r a 2"], &[], &["r a 2"]);
    }

    #[test]
    fn another_file_or_rule_is_another_matter() {
        check(&["r a 1"], &["r a 1"], &["r b 1"], &[], &["r b 1"]);
        check(&["r a 1"], &["r a 1"], &["s a 1"], &[], &["s a 1"]);
    }
}
