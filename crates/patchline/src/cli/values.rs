//! What single values of the command line must be.

use std::net::SocketAddr;

use patchline_model::service::Tier;
use patchline_model::time::Timestamp;

pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "expected an address such as 127.0.0.1:7700".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("there is no sign-in yet, so only loopback addresses such as 127.0.0.1:7700 are served"
            .to_owned())
    }
}

/// A point of time with its offset or its zone; a time without either is nobody's.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let millis = match text.parse::<jiff::Timestamp>() {
        Ok(at) => at.as_millisecond(),
        Err(_) => match text.parse::<jiff::ZonedDateTime>() {
            Ok(at) => at.timestamp().as_millisecond(),
            Err(_) => {
                return Err("expected a time with its offset or zone, as in 2026-12-24T12:00:00Z or \
                            2026-12-24T12:00[Europe/Berlin]"
                    .to_owned());
            }
        },
    };
    Ok(Timestamp(millis))
}

pub fn tier(text: &str) -> Result<Tier, String> {
    let number: u8 = text.parse().map_err(|_| "expected a number from 1 to 4".to_owned())?;
    Tier::try_from(number).map_err(|error| error.to_string())
}

pub fn freeze(text: &str) -> Result<u32, String> {
    let number = text.strip_prefix("F-").or_else(|| text.strip_prefix("f-")).unwrap_or(text);
    number.parse().map_err(|_| "expected a freeze, as in F-3".to_owned())
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_time_says_where_its_clock_hangs() {
        let noon = 1_798_110_000_000;
        assert_eq!(moment("2026-12-24T11:00:00Z").map(|at| at.0), Ok(noon));
        assert_eq!(moment("2026-12-24T12:00:00+01:00").map(|at| at.0), Ok(noon));
        assert_eq!(moment("2026-12-24T12:00[Europe/Berlin]").map(|at| at.0), Ok(noon));
        for text in ["2026-12-24T12:00", "2026-12-24", "tomorrow", "", "2026-12-24T12:00[Mars/Olympus]"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
