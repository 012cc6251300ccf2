//! The table of `docs/judge.md`: this judge on seeded trials, what no judge can do better, and other judges on the same trials.

use crate::limits::interval;
use crate::peers::{OF_ERRORS, OF_LATENCY, Peer};
use crate::protocol::judged;
use crate::table::{Row, rows};
use crate::trial::Trial;

/// When a trial was taken back, with the canary requests since the harm began, and when it was promoted.
type End = (Option<(u32, u64)>, Option<u32>);

/// What a judge made of the trials of a row.
pub struct Score {
    runs: usize,
    /// Seconds since the harm began, and canary requests since then, of each trial in which it was found.
    pub found: Vec<(u32, u64)>,
    /// Trials taken back though nothing was wrong yet.
    pub wrong: usize,
    promoted: Vec<u32>,
}

/// Of the rows with `part` in their name; which others are drawn changes nothing in a row.
pub fn run(trials: u32, tick: u32, seed: u32, part: &str) {
    println!(
        "{trials} trials a row, ticks of {tick} s, seed {seed}; the canary has 5 % of 50 requests a second unless said\n"
    );
    println!(
        "| this judge | wrong rollbacks (95 % confidence) | found | median | canary requests (mean) | limit | times the limit | promoted, median |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut of_all: Vec<(Row, Vec<Score>)> = Vec::new();
    for (place, row) in rows(tick).into_iter().enumerate().filter(|(_, row)| row.world.name.contains(part)) {
        let seed = u64::from(seed) * 1_000_000_000 + place as u64 * 1_000_000;
        let scores = scores(&row, trials, seed);
        println!("| {} | {} |", row.world.name, line(&row, &scores[0]));
        of_all.push((row, scores));
    }
    let (of_latency, of_errors): (Vec<_>, Vec<_>) =
        of_all.into_iter().partition(|(row, _)| row.world.latency.is_some());
    let (harmful, harmless): (Vec<_>, Vec<_>) =
        of_errors.into_iter().partition(|(row, _)| row.harm.is_some());
    beside(OF_ERRORS, &harmless);
    beside(OF_ERRORS, &harmful);
    beside(OF_LATENCY, &of_latency);
}

fn others(row: &Row) -> &'static [Peer] {
    if row.world.latency.is_some() { OF_LATENCY } else { OF_ERRORS }
}

/// This judge's score, and then the others'. Two threads, each with every second trial.
pub fn scores(row: &Row, trials: u32, seed: u64) -> Vec<Score> {
    const THREADS: u32 = 2;
    let one = |trial: u32| {
        let trial = Trial::draw(&row.world, seed + u64::from(trial) + 1);
        let own = judged(&trial);
        let peers = others(row).iter().map(|peer| (peer.rule.rolls_back(&trial), None));
        let all = [(own.rolled_back, own.promoted)].into_iter().chain(peers);
        let since = row.harm.unwrap_or(0);
        all.map(|(end, promoted)| (end.map(|end| (end, trial.canary_requests(since, end))), promoted))
            .collect()
    };
    let part = |from: u32| (from..trials).step_by(THREADS as usize).map(one).collect::<Vec<Vec<_>>>();
    let drawn: Vec<Vec<End>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|from| scope.spawn(move || part(from))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a trial does not panic")).collect()
    });
    (0..=others(row).len()).map(|judge| Score::of(row, drawn.iter().map(|all| all[judge]))).collect()
}

impl Score {
    fn of(row: &Row, ends: impl Iterator<Item = End>) -> Score {
        let mut score = Score { runs: 0, found: Vec::new(), wrong: 0, promoted: Vec::new() };
        for (end, promoted) in ends {
            score.runs += 1;
            // A promotion that is taken back is none.
            score.promoted.extend(promoted.filter(|_| end.is_none()));
            match (end, row.harm) {
                (Some((time, requests)), Some(since)) if time > since => {
                    score.found.push((time - since, requests));
                }
                (Some(_), _) => score.wrong += 1,
                (None, _) => {}
            }
        }
        score
    }

    fn part(&self, count: usize) -> String {
        let percent = 100.0 * count as f64 / self.runs as f64;
        format!("{percent:.1} %")
    }

    pub fn mean_requests(&self) -> Option<f64> {
        let sum: u64 = self.found.iter().map(|(_, requests)| requests).sum();
        (!self.found.is_empty()).then(|| sum as f64 / self.found.len() as f64)
    }

    fn median(times: impl Iterator<Item = u32>) -> Option<u32> {
        let mut times: Vec<u32> = times.collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    /// Median seconds until it is found.
    pub fn seconds(&self) -> Option<u32> {
        Score::median(self.found.iter().map(|(time, _)| *time))
    }
}

fn or_none<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

fn line(row: &Row, score: &Score) -> String {
    let (low, high) = interval(score.wrong as f64, score.runs as f64);
    let wrong = format!("{} ({:.1} to {:.1})", score.part(score.wrong), 100.0 * low, 100.0 * high);
    // The mean over those that were found is too small where many were not.
    let is_found = score.found.len() as f64 >= 0.95 * score.runs as f64;
    let limit = row.limit.filter(|_| is_found);
    let times = score.mean_requests().zip(limit).map(|(mean, limit)| mean / limit);
    let promoted = Score::median(score.promoted.iter().copied());
    [
        if row.harm == Some(0) { "-".to_owned() } else { wrong },
        or_none(row.harm, |_| score.part(score.found.len())),
        or_none(score.seconds(), |seconds| format!("{seconds} s")),
        or_none(score.mean_requests(), |mean| format!("{mean:.0}")),
        or_none(row.limit, |limit| format!("{limit:.1}")),
        or_none(times, |times| format!("{times:.2}")),
        format!(
            "{}, {}",
            score.part(score.promoted.len()),
            or_none(promoted, |seconds| format!("{seconds} s"))
        ),
    ]
    .join(" | ")
}

/// All on the same trials, this one first: wrong rollbacks where nothing is wrong, and what is found, after how long, with how many requests.
fn beside(peers: &[Peer], rows: &[(Row, Vec<Score>)]) {
    if rows.is_empty() {
        return;
    }
    let names = rows.iter().map(|(row, _)| row.world.name);
    println!("\n| judge | {} |", names.collect::<Vec<_>>().join(" | "));
    println!("| --- |{}", " --- |".repeat(rows.len()));
    for (place, name) in ["this judge"].into_iter().chain(peers.iter().map(|peer| peer.name)).enumerate() {
        let cell = |(row, scores): &(Row, Vec<Score>)| {
            let score = &scores[place];
            match (row.harm, score.seconds().zip(score.mean_requests())) {
                (None, _) => format!("{} wrong", score.part(score.wrong)),
                (Some(since), seen) => {
                    let wrong = if since > 0 {
                        format!("{} wrong before; ", score.part(score.wrong))
                    } else {
                        String::new()
                    };
                    let after =
                        seen.map(|(seconds, mean)| format!(", {seconds} s, {mean:.0}")).unwrap_or_default();
                    format!("{wrong}{}{after}", score.part(score.found.len()))
                }
            }
        };
        println!("| {name} | {} |", rows.iter().map(cell).collect::<Vec<_>>().join(" | "));
    }
}
