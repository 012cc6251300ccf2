//! Users: they send one request after the other over connections that stay open, and remember every answer.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const USERS: usize = 4;

const SESSIONS: u64 = 200;

/// Between two requests of one user: about 300 requests a second in all.
const PAUSE: Duration = Duration::from_millis(10);

/// A request that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// Failures that are remembered in words.
const MOST_WORDS: usize = 20;

/// What the users met, by the version that answered.
#[derive(Clone, Debug, Default)]
pub struct Met {
    pub good: BTreeMap<String, u64>,
    pub failed: BTreeMap<String, u64>,
    /// The first failures, in words.
    pub words: Vec<String>,
}

impl Met {
    pub fn sent(&self) -> u64 {
        self.good.values().chain(self.failed.values()).sum()
    }

    /// What came after `earlier`.
    pub fn since(&self, earlier: &Met) -> Met {
        let less = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
            let counts =
                now.iter().map(|(label, count)| (label.clone(), count - before.get(label).unwrap_or(&0)));
            counts.filter(|(_, count)| *count > 0).collect()
        };
        let words = self.words.iter().skip(earlier.words.len()).cloned().collect();
        Met { good: less(&self.good, &earlier.good), failed: less(&self.failed, &earlier.failed), words }
    }
}

/// Users that go on until they are stopped.
pub struct Users {
    met: Arc<Mutex<Met>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Users {
    pub fn start(port: u16) -> Self {
        let met: Arc<Mutex<Met>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let threads = (0..USERS).map(|_| {
            let (met, stop) = (Arc::clone(&met), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut connection = None;
                while !stop.load(Ordering::Relaxed) {
                    let answer = ask(&mut connection, port);
                    note(&mut met.lock().unwrap_or_else(PoisonError::into_inner), answer);
                    std::thread::sleep(PAUSE);
                }
            })
        });
        Self { threads: threads.collect(), met, stop }
    }

    pub fn met(&self) -> Met {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets every user finish the request under way.
    pub fn stop(&mut self) -> Met {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a user does not panic");
        }
        self.met()
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Status and version of an answer.
type Answer = (u16, String);

fn note(met: &mut Met, answer: io::Result<Answer>) {
    let (label, failure) = match answer {
        Ok((200, label)) => {
            *met.good.entry(label).or_default() += 1;
            return;
        }
        Ok((status, label)) => (label, format!("status {status}")),
        Err(error) => (String::new(), error.to_string()),
    };
    if met.words.len() < MOST_WORDS {
        met.words.push(format!("`{label}`: {failure}"));
    }
    *met.failed.entry(label).or_default() += 1;
}

/// One request over the connection that is open, or over a new one. No request is sent a second time.
fn ask(connection: &mut Option<BufReader<TcpStream>>, port: u16) -> io::Result<Answer> {
    let mut reader = match connection.take() {
        Some(reader) => reader,
        None => BufReader::new(connect(port)?),
    };
    static ASKED: AtomicU64 = AtomicU64::new(0);
    // Many sessions, so that a cohort has members on both sides.
    let session = ASKED.fetch_add(1, Ordering::Relaxed) % SESSIONS;
    let request = format!("GET /greeting HTTP/1.1\r\nhost: tiny\r\ncookie: session=s-{session}\r\n\r\n");
    reader.get_mut().write_all(request.as_bytes())?;
    let answer = read(&mut reader)?;
    *connection = Some(reader);
    Ok(answer)
}

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), DEADLINE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok(stream)
}

fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let first = line(reader)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| broken(&format!("no answer but `{first}`")))?;
    let (mut label, mut length) = (String::new(), None);
    loop {
        let header = line(reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "x-patchline-version" => label = value.trim().to_owned(),
            "content-length" => length = value.trim().parse::<u64>().ok(),
            _ => {}
        }
    }
    let length = length.ok_or_else(|| broken("the answer does not say how long it is"))?;
    let read = io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
    if read < length {
        return Err(broken("the answer was cut off"));
    }
    Ok((status, label))
}

fn line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if reader.by_ref().take(64 * 1024).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
