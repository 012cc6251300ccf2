//! Trying again: what may pass is tried again after a wait that doubles, until tries or time run out.

use std::time::{Duration, Instant};

use crate::error::{Failed, Kind};
use crate::settings::Settings;

/// However long a server wishes us to wait, a try is made or given up after this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The tries of one fetch.
pub struct Tries<'a> {
    settings: &'a Settings,
    began: Instant,
    done: u32,
}

impl<'a> Tries<'a> {
    pub fn new(settings: &'a Settings) -> Self {
        Self { settings, began: Instant::now(), done: 0 }
    }

    /// One try, as long as the time of the whole fetch allows.
    pub async fn attempt<T>(
        &mut self,
        attempt: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, Failed> {
        self.done += 1;
        let left = self.settings.deadline.saturating_sub(self.began.elapsed());
        let late = |_| {
            let what = format!("it was not done within {} s", self.settings.deadline.as_secs_f64());
            Failed::new(Kind::TooSlow, what)
        };
        tokio::time::timeout(left, attempt).await.map_err(late)?
    }

    /// Waits until the next try is due; gives the failure back when none is.
    pub async fn again(&self, mut failed: Failed) -> Result<(), Failed> {
        let wait = wait(self.settings, self.done, failed.wait);
        let late = self.began.elapsed() + wait >= self.settings.deadline;
        if !failed.may_pass || self.done >= self.settings.tries || late {
            if self.done > 1 {
                failed.what = format!("{} (tried {} times)", failed.what, self.done);
            }
            return Err(failed);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

fn wait(settings: &Settings, tried: u32, wished: Option<Duration>) -> Duration {
    let doubled = settings.wait.saturating_mul(1 << (tried - 1).min(10));
    doubled.max(wished.unwrap_or_default()).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::wait;
    use crate::settings::Settings;

    #[test]
    fn waits_double_heed_the_server_and_end() {
        let settings = Settings { wait: Duration::from_secs(1), ..Settings::default() };
        let check = |tried: u32, wished: Option<u64>, then: u64| {
            assert_eq!(wait(&settings, tried, wished.map(Duration::from_secs)), Duration::from_secs(then));
        };
        check(1, None, 1);
        check(3, None, 4);
        check(1, Some(7), 7);
        check(1, Some(7000), 60);
        check(u32::MAX, None, 60);
    }
}
