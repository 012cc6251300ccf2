//! What the script of a rehearsal writes: for each start, when it was well, tried and stopped.

use std::time::Duration;

/// Three are started; more is not read.
const MOST: usize = 3;

/// One start and what became of it. Times count from one origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) starting: Duration,
    pub(crate) well: Option<Duration>,
    pub(crate) stopping: Option<Duration>,
    pub(crate) ending: Ending,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was not started, or nothing more was heard of it.
    #[default]
    Never,
    /// Healthy, and its smoke test passed if there is one.
    Well,
    /// It ended before it was healthy.
    Ended,
    /// It was not healthy in time.
    Unwell,
    /// Its smoke test failed.
    Refused,
}

impl Turn {
    pub(crate) fn until_well(&self) -> Option<Duration> {
        self.well.map(|well| well.saturating_sub(self.starting))
    }

    /// In a few words, with the last line of its log or of the smoke test's.
    pub(crate) fn words(&self, log: &str, said: &str) -> String {
        match self.ending {
            Ending::Never => "nothing more was heard of it".to_owned(),
            Ending::Well => {
                format!("healthy after {:.2} s", self.until_well().unwrap_or_default().as_secs_f64())
            }
            Ending::Ended => format!("it ended before it was healthy: {log}"),
            Ending::Unwell => format!("it was not healthy in time: {log}"),
            Ending::Refused => format!("its smoke test failed: {said}"),
        }
    }
}

/// The turns in order. What is no line of the script is passed over.
pub(crate) fn read(text: &str) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(number), Some(word), Some(time)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let (Ok(number), Ok(time)) = (number.parse::<usize>(), time.parse().map(Duration::from_micros))
        else {
            continue;
        };
        if word == "starting" && number == turns.len() + 1 && number <= MOST {
            turns.push(Turn { starting: time, ..Turn::default() });
        }
        let Some(turn) = turns.last_mut() else { continue };
        match word {
            "well" => (turn.well, turn.ending) = (Some(time), Ending::Well),
            "ended" => turn.ending = Ending::Ended,
            "unwell" => turn.ending = Ending::Unwell,
            "refused" => turn.ending = Ending::Refused,
            "stopping" => turn.stopping = Some(time),
            _ => {}
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::proptest;

    use super::{Ending, read};

    #[test]
    fn turns_are_read_in_order_with_their_times() {
        let turns =
            read("1 starting 10\n1 well 30\n1 smoked 40\n1 stopping 50\nnoise\n2 starting 60\n2 ended 70\n");
        let endings: Vec<Ending> = turns.iter().map(|turn| turn.ending).collect();
        assert_eq!(endings, [Ending::Well, Ending::Ended]);
        assert_eq!(turns[0].until_well(), Some(Duration::from_micros(20)));
        assert_eq!(turns[0].stopping, Some(Duration::from_micros(50)));
        let refused = read("1 starting 1\n1 well 2\n1 refused 3\n");
        assert_eq!(refused[0].ending, Ending::Refused);
        assert_eq!(refused[0].words("", "status 500"), "its smoke test failed: status 500");
        assert_eq!(read("2 starting 1\n2 well 2\n"), []);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9]{1,30} (starting|well|stopping|x) [0-9]{1,30}\n|.){0,20}") {
            assert!(read(&text).len() <= 3);
        }
    }
}
