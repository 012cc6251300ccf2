//! How requests find their version, and what users and mirrors met: what a rollout asks for beyond shares, and reads back.

use serde::{Deserialize, Serialize};

use crate::cohort::{Cohort, Token};
use crate::share::Share;

/// How requests find their version. Where it is not by turns there are two arms: the stable version, then the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// One after the other, as the shares say.
    #[default]
    ByTurns,
    /// A user of the cohort by the place of the key, so that the same user always meets the same version.
    ByKey { cohort: Cohort, others: Others },
    /// As the shares say; some are sent a second time, to the new version, compared and thrown away.
    Mirrored(Mirror),
}

/// What becomes of requests that take no part or bear no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// The stable version answers them, and they are not compared.
    Stable,
    /// They come by turns, as the shares say, and are compared.
    ByTurns,
}

/// Which requests are sent a second time, and what of the answers is compared besides status and body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// The part of the requests with these methods that is mirrored.
    pub share: Share,
    pub methods: Vec<String>,
    pub headers: Vec<Token>,
    /// The part of the mirrored requests that is sent to the stable version a second time as well: where it disagrees with
    /// itself, the difference is noise. With none every difference counts.
    pub control: Share,
}

/// What an instance is told of a flag with each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagValue {
    pub flag: Token,
    pub is_on: bool,
}

/// What users met of one version; mirrors are nobody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    pub requests: u64,
    pub errors: u64,
}

/// Answers of the new version beside those that users got, cumulative or since the look before. Each pair is counted once,
/// by the first difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirrored {
    /// Answers that were compared.
    pub pairs: u64,
    /// The mirrored request got no whole answer.
    pub unanswered: u64,
    /// Another class of status, as in 200 and 404.
    pub class: u64,
    /// Another status of the same class.
    pub status: u64,
    pub header: u64,
    pub body: u64,
    /// Pairs in which the stable version was asked a second time as well.
    pub controlled: u64,
    /// Of these: only the new version's answer differs, and only the stable version's own second answer does.
    pub worse: u64,
    pub noise: u64,
    /// Not mirrored, because as many as may be were under way.
    pub over_limit: u64,
    /// The newest difference, as in `GET /notes: status 200 and 500`. Nothing of bodies, headers or queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

/// What users met of both versions where that is not what was compared, and what mirrors answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apart {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Met>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Met>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirrored: Option<Mirrored>,
}

impl Apart {
    /// Nothing, where nothing is apart.
    pub fn kept(self) -> Option<Box<Apart>> {
        (self != Apart::default()).then(|| Box::new(self))
    }

    /// What came since `earlier`; a mirror that was not there yet had answered nothing.
    pub fn since(&self, earlier: &Apart) -> Apart {
        let met = |now: Option<Met>, before: Option<Met>| now?.since(before?);
        let nothing = Mirrored::default();
        let before = earlier.mirrored.as_ref().unwrap_or(&nothing);
        Apart {
            canary: met(self.canary, earlier.canary),
            stable: met(self.stable, earlier.stable),
            mirrored: self.mirrored.as_ref().and_then(|now| now.since(before)),
        }
    }
}

impl Met {
    pub fn plus(self, more: Met) -> Met {
        Met {
            requests: self.requests.saturating_add(more.requests),
            errors: self.errors.saturating_add(more.errors),
        }
    }

    pub fn since(self, earlier: Met) -> Option<Met> {
        Some(Met {
            requests: self.requests.checked_sub(earlier.requests)?,
            errors: self.errors.checked_sub(earlier.errors)?,
        })
    }
}

impl Mirrored {
    /// Pairs that differ.
    pub fn mismatches(&self) -> u64 {
        let kinds = [self.unanswered, self.class, self.status, self.header, self.body];
        kinds.into_iter().fold(0, u64::saturating_add)
    }

    /// What came since `earlier`, with the example only if there is a new difference; `None` after a reset.
    pub fn since(&self, earlier: &Mirrored) -> Option<Mirrored> {
        let mut since = Mirrored::default();
        for ((now, before), to) in self.numbers().into_iter().zip(earlier.numbers()).zip(since.numbers_mut())
        {
            *to = now.checked_sub(before)?;
        }
        since.example = self.example.clone().filter(|_| since.mismatches() > 0);
        Some(since)
    }

    pub fn plus(&self, other: &Mirrored) -> Mirrored {
        let mut sum = self.clone();
        sum.add(other);
        sum
    }

    pub fn add(&mut self, other: &Mirrored) {
        for (sum, more) in self.numbers_mut().into_iter().zip(other.numbers()) {
            *sum = sum.saturating_add(more);
        }
        if other.example.is_some() {
            self.example = other.example.clone();
        }
    }

    fn numbers(&self) -> [u64; 10] {
        self.clone().numbers_mut().map(|number| *number)
    }

    fn numbers_mut(&mut self) -> [&mut u64; 10] {
        let Mirrored {
            pairs,
            unanswered,
            class,
            status,
            header,
            body,
            controlled,
            worse,
            noise,
            over_limit,
            ..
        } = self;
        [pairs, unanswered, class, status, header, body, controlled, worse, noise, over_limit]
    }
}
